import json
from math import inf, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cdwidget.rle import decode_uncompressed
from cdwidget.tools import TOOL_OF_ACTION, Brush, Canvas

CASES = json.loads((Path(__file__).parent / "brush_cases.json").read_text())  # The tests of the browser's brush use the same cases.
SIXTY_FOURTHS = st.integers(-20 * 64, 60 * 64).map(lambda whole: whole / 64)


def dense(points, radius, height, width):
    """Return the covered pixels by their definition, pixel by pixel."""
    covered = np.zeros((height, width), bool)
    py, px = np.mgrid[:height, :width] + 0.5
    for (ax, ay), (bx, by) in zip(points[:-1], points[1:]) if len(points) > 1 else [(points[0], points[0])]:
        dx, dy = bx - ax, by - ay
        length = dx * dx + dy * dy
        t = np.clip(((px - ax) * dx + (py - ay) * dy) / length, 0, 1) if length else 0
        ex, ey = ax + t * dx - px, ay + t * dy - py
        covered |= ex * ex + ey * ey <= radius * radius
    return covered


def draw(action, mask):
    """Return the mask after a brush, and its edit."""
    edit = TOOL_OF_ACTION[Brush].run(Canvas(np.zeros((*mask.shape, 3), np.uint8), mask, None), action)
    x0, y0, x1, y1 = edit.bbox
    after, where = mask.copy(), np.zeros_like(mask)
    after[y0:y1, x0:x1][edit.where] = edit.pixels[edit.where]
    where[y0:y1, x0:x1] = edit.where
    return after, where


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_brush_covers_the_same_pixels_as_in_the_browser(case):
    expected = decode_uncompressed(case["rle"])
    action = {**case["action"], "points": tuple(map(tuple, case["action"]["points"]))}
    assert action.pop("type") == "brush"
    assert expected.shape == (case["height"], case["width"])
    assert np.array_equal(dense(action["points"], action["radius"], *expected.shape), expected)
    after, where = draw(Brush(**action), np.full(expected.shape, not action["add"]))
    assert np.array_equal(where, expected)
    assert np.array_equal(after, expected == action["add"])


@given(
    st.lists(st.tuples(SIXTY_FOURTHS, SIXTY_FOURTHS), min_size=1, max_size=12),
    st.one_of(st.sampled_from([0.5, 1.0, 2.5, 3.3, 13.0]), st.floats(0.5, 30)),
    st.integers(1, 40),
    st.integers(1, 40),
    st.booleans(),
)
@example([(3.5, 4.5), (11.5, 4.5)], 2.0, 12, 16, True)  # Rows exactly at the radius.
@example([(20.5, 5.5), (20.5, 3.5)], 26**0.5, 24, 24, True)  # At the radius, up to rounding.
@example([(0.0, 0.0), (39.984375, 0.015625)], 0.5, 3, 40, True)  # Nearly horizontal.
def test_the_brush_covers_exactly_the_pixels_of_its_definition(points, radius, height, width, add):
    mask = np.indices((height, width)).sum(axis=0) % 3 == 0
    before = mask.copy()
    after, where = draw(Brush(tuple(points), radius, add), mask)
    assert np.array_equal(where, dense(points, radius, height, width))
    assert np.array_equal(after, np.where(where, add, before))
    assert np.array_equal(mask, before)


def test_a_long_stroke_on_a_large_image():
    rng = np.random.default_rng(0)
    points = np.round((np.cumsum(rng.normal(0, 4, (900, 2)), axis=0) + 150) * 64) / 64
    points = list(map(tuple, points.tolist()))
    _, where = draw(Brush(tuple(points), 40.0), np.zeros((300, 350), bool))
    assert np.array_equal(where, dense(points, 40.0, 300, 350))


def test_the_runs_of_a_long_stroke_are_joined_before_they_fill_the_memory(monkeypatch):
    points = [(float(x), float(y)) for x in range(0, 40, 3) for y in (0, 39)]
    monkeypatch.setattr("cdwidget.tools.brush.RUNS_PER_BATCH", 50)
    monkeypatch.setattr("cdwidget.tools.brush.MAX_SEPARATE_RUNS", 60)
    _, where = draw(Brush(tuple(points), 2.0), np.zeros((40, 40), bool))
    assert np.array_equal(where, dense(points, 2.0, 40, 40))
    assert not draw(Brush(((-50.0, -50.0), (-50.0, 90.0)), 2.0), np.zeros((40, 40), bool))[1].any()


def test_a_stroke_that_would_take_minutes_is_refused(monkeypatch):
    points = ((0.0, 0.0), (0.0, 499.0)) * 5_000
    monkeypatch.setattr("cdwidget.tools.brush.MAX_ROWS", 3_000_000)
    with pytest.raises(ValueError, match="too long: its segments cover 4999500 rows, at most 3000000"):
        draw(Brush(points, 2.0), np.zeros((500, 5), bool))


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (Brush((), 3), "a Brush has 0 points; it needs at least 1"),
        (Brush(((1, nan),), 3), "x=1, y=nan: coordinates are finite"),
        (Brush(((inf, 1),), 3), "finite"),
        (Brush(((1, 1), (1e300, 1)), 3), "at most 1048576 from"),
        (Brush(((1, 1),), 0.4), "radius is 0.4; allowed are 0.5 to 1024"),
        (Brush(((1, 1),), nan), "radius is nan"),
        (Brush(((1, 1),) * 100_001, 3), "100001 points; at most 100000 are allowed"),
        (Brush(((1, 1),), 1025), "radius is 1025"),
    ],
)
def test_an_invalid_brush_is_refused(action, message):
    with pytest.raises(ValueError, match=message):
        draw(action, np.zeros((5, 5), bool))
