from math import dist, inf, nan

import numpy as np
import pytest

from cdwidget.tools import Scissors

HEIGHT, WIDTH = 500, 700


def wavy(column):
    """Return the row of the border in `image`."""
    return 250 + 40 * np.sin(column / 60)


@pytest.fixture(scope="module")
def image():
    rows, columns = np.indices((HEIGHT, WIDTH))
    image = np.where(rows < wavy(columns), 70, 180)[..., None] + np.random.default_rng(0).integers(-6, 7, (HEIGHT, WIDTH, 3))
    return image.astype(np.uint8)


def sample(path):
    """Return points on a path, at most one pixel apart."""
    return np.concatenate([np.linspace(a, b, int(dist(a, b)) + 2) for a, b in zip(path[:-1], path[1:])])


@pytest.mark.parametrize(("window", "off"), [(384, 2.0), (1000, 4.0)], ids=["full size", "reduced"])
def test_the_path_connects_two_points_along_the_edge_between_them(image, window, off):
    anchor, target = (200.5, float(wavy(200.5))), (370.25, float(wavy(370.25)))
    path = Scissors(image).path(anchor, target, window)
    assert path[0] == anchor and path[-1] == target
    points = sample(path)
    assert np.abs(points[:, 1] - wavy(points[:, 0])).max() < off
    straight = np.linspace(anchor, target, 50)
    assert np.abs(straight[:, 1] - wavy(straight[:, 0])).max() > 20  # Without the edge, the path would be here.


def test_points_near_an_edge_snap_to_it(image):
    scissors = Scissors(image)
    anchor, target = (200.5, float(wavy(200.5))), (370.25, float(wavy(370.25)) + 10)
    path = scissors.path(anchor, target, snap=15)
    assert dist(path[-1], target) <= 15 and np.abs(sample(path)[:, 1] - wavy(sample(path)[:, 0])).max() < 2.5
    assert scissors.path(anchor, target, snap=5)[-1] == target  # The edge is farther away.
    alone = scissors.path(target, target, snap=15)
    assert abs(alone[-1][1] - wavy(alone[-1][0])) < 2.5
    assert scissors.path(anchor, (300.0, 60.0), snap=15)[-1] == (300.0, 60.0)  # Noise is no edge.
    assert scissors.path(anchor, (900.0, -50.0), snap=15)[-1] == (900.0, -50.0)
    with pytest.raises(ValueError, match="snap is -1 pixels; allowed are 0 to 256"):
        scissors.path(anchor, target, snap=-1)


def test_a_path_does_not_depend_on_earlier_paths(image):
    pairs = [
        ((200.5, 250.0), (300.0, 260.0)),
        ((200.5, 250.0), (240.0, 200.0)),
        ((400.0, 250.0), (350.0, 260.0)),
        ((200.5, 250.0), (300.0, 260.0)),
    ]
    scissors = Scissors(image)
    paths = [scissors.path(*pair) for pair in pairs]
    assert paths[0] == paths[3]
    assert paths == [Scissors(image).path(*pair) for pair in pairs]


@pytest.mark.parametrize("anchor", [(0.0, 0.0), (699.5, 499.5), (350.0, 0.0)])
@pytest.mark.parametrize("target", [(0.0, 0.0), (699.9, 499.9), (-50.0, 900.0), (350.0, 250.0)])
@pytest.mark.parametrize("window", [32, 384, 1e6])
def test_paths_at_the_borders_and_beyond_the_window(image, anchor, target, window):
    path = Scissors(image).path(anchor, target, window)
    assert path[0] == anchor and path[-1] == target
    inner = np.array(path[1:-1]).reshape(-1, 2)
    assert ((inner >= 0) & (inner <= (WIDTH, HEIGHT))).all()
    assert (np.abs(inner - anchor) <= window / 2 + 1).all()


def test_a_small_image_has_paths_too():
    assert Scissors(np.zeros((1, 3, 3), np.uint8)).path((0.5, 0.5), (2.5, 0.5))[-1] == (2.5, 0.5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((700, 3), (5, 5)), "x=700, y=3 lies outside the image"),
        (((7, 3), (5, nan)), "the path ends at x=5, y=nan"),
        (((7, 3), (5, 5), 31), "window is 31 pixels wide; allowed are 32 to"),
        (((7, 3), (5, 5), inf), "window is inf"),
    ],
)
def test_an_invalid_path_is_refused(image, arguments, message):
    with pytest.raises(ValueError, match=message):
        Scissors(image).path(*arguments)
