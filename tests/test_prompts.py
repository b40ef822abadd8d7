from math import inf, nan

import numpy as np
import pytest

from cdwidget.prompts import Box, Click, Stroke, check_prompt
from cdwidget.session import Accept, Relabel, Select
from cdwidget.tools import Superpixel


def test_a_click_belongs_to_the_pixel_of_its_floor():
    assert Click(12.9, 3.1).pixel == (3, 12)
    assert Click(0, 0).pixel == (0, 0)


@pytest.mark.parametrize(
    "prompt",
    [
        Click(0, 0),
        Click(19.99, 9.99, False),
        Stroke(((0, 0), (19, 9))),
        Stroke(((5, 5),), False, 0.5),
        Box(0, 0, 20, 10),
        Box(3.5, 2, 3.6, 9),
    ],
)
def test_prompts_in_the_image_pass(prompt):
    check_prompt(prompt, 20, 10)


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        (Click(20, 5), "x=20, y=5 lies outside the image; allowed are 0 <= x < 20 and 0 <= y < 10"),
        (Click(5, 10), "outside"),
        (Click(-0.1, 5), "outside"),
        (Click(nan, 5), "outside"),
        (Click(5, inf), "outside"),
        (Stroke(()), "no points"),
        (Stroke(((1, 1),) * 100_001), "100001 points; at most 100000 are allowed"),
        (Stroke(((1, 1), (30, 1))), "Stroke at x=30, y=1"),
        (Stroke(((1, 1),), radius=0), "radius is 0"),
        (Stroke(((1, 1),), radius=nan), "radius is nan"),
        (Box(5, 5, 5, 8), "0 <= x0 < x1 <= 20"),
        (Box(0, 0, 21, 10), "20x10"),
        (Box(nan, 0, 5, 5), "20x10"),
    ],
)
def test_prompts_outside_are_refused_with_what_is_allowed(prompt, message):
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        check_prompt(prompt, 20, 10)


def test_other_types_than_prompts_are_refused():
    with pytest.raises(TypeError, match="not tuple"):
        check_prompt((3, 4), 20, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Click("3", 3), "x must be a number, not '3'"),
        (lambda: Click(True, 3), "x must be a number, not True"),
        (lambda: Click(10**400, 3), "x is too large a number"),
        (lambda: Click(3, 3, "yes"), "positive must be true or false, not 'yes'"),
        (lambda: Stroke(3), r"points must be a list of \[x, y\] pairs, not 3"),
        (lambda: Stroke([(1, 2, 3)]), r"points must be a list of \[x, y\] pairs"),
        (lambda: Relabel(None), "label must be text, not None"),
        (lambda: Accept(3), "label must be text, not 3"),
        (lambda: Select("1"), "instance must be a whole number, not '1'"),
        (lambda: Select(1.0), "instance must be a whole number, not 1.0"),
        (lambda: Superpixel(3, 16), "segments must be a list of whole numbers, not 3"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numpy_values_become_plain_values():
    click = Click(np.float32(1.5), np.int64(2), np.bool_(False))
    assert (type(click.x), type(click.y), type(click.positive)) == (float, float, bool) and click == Click(1.5, 2, False)
    stroke = Stroke(np.array([[1, 2], [3, 4]]), radius=np.float64(2))
    assert stroke == Stroke(((1.0, 2.0), (3.0, 4.0)), True, 2.0) and hash(stroke)
    assert type(Superpixel(np.array([3, 4]), np.int32(16)).segments[0]) is int
    assert type(Relabel(np.str_("cat"), np.uint8(3)).label) is str
