from math import inf, nan

import pytest

from cdwidget.prompts import Box, Click, Stroke, check_prompt


def test_a_click_lies_in_the_pixel_of_its_floor():
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
    ("prompt", "said"),
    [
        (Click(20, 5), "x=20, y=5 lies outside the image; allowed are 0 <= x < 20 and 0 <= y < 10"),
        (Click(5, 10), "outside"),
        (Click(-0.1, 5), "outside"),
        (Click(nan, 5), "outside"),
        (Click(5, inf), "outside"),
        (Stroke(()), "no points"),
        (Stroke(((1, 1), (30, 1))), "Stroke at x=30, y=1"),
        (Stroke(((1, 1),), radius=0), "radius is 0"),
        (Stroke(((1, 1),), radius=nan), "radius is nan"),
        (Box(5, 5, 5, 8), "0 <= x0 < x1 <= 20"),
        (Box(0, 0, 21, 10), "20x10"),
        (Box(nan, 0, 5, 5), "20x10"),
    ],
)
def test_prompts_outside_are_refused_with_what_is_allowed(prompt, said):
    with pytest.raises(ValueError, match=said.replace("(", r"\(")):
        check_prompt(prompt, 20, 10)


def test_what_is_no_prompt_is_a_type_error():
    with pytest.raises(TypeError, match="not tuple"):
        check_prompt((3, 4), 20, 10)
