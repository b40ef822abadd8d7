"""Reads the SVG paths of outlines."""

import re

import numpy as np


def loops(path: str) -> list[np.ndarray]:
    """Return the corners of each loop of an SVG path, (n, 2) in pixels."""
    return [np.array([corner.split() for corner in loop.split("L")], float) for loop in re.findall(r"M([^MZ]*)Z", path)]
