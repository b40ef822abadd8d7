"""Measure mattes and composites on photographs of objects with known alpha.

Example:
    python benchmarks/composites.py                  # drawn objects with a soft border
    python benchmarks/composites.py --hair           # drawn objects with hair
    python benchmarks/composites.py --cutouts out/   # PNG files with an alpha channel

Each object is put on a background photograph. From the hard mask (alpha above one half), the alpha and the object's colors are estimated
again, and the object is put on white. Columns: mean absolute error of alpha in the band (0 to 1), its gradient error (Rhemann et al.
2009, sum of squared differences of Gaussian gradients, in thousands), and the mean absolute error of the colors on white in the band, in
gray levels, with and without the estimation of the object's colors.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Iterator

import cv2
import numpy as np
import skimage.data
from PIL import Image

from cdwidget.compositing import composite, soft_alpha

BORDERS_PX = 4, 8, 16
GRADIENT_SIGMA_PX = 1.4
SIDE_PX = 384
HAIRS = 500
UNSHARP_SIGMA_PX = 3.0
SUPERSAMPLING = 4
WHITE = (255, 255, 255)


def drawn_objects(count: int, hair: bool, seed: int = 0) -> Iterator[np.ndarray]:
    """Yield disks with hair or with an unsharp border, uint8 (H, W, 4), RGBA, in the colors of photographs."""
    random = np.random.default_rng(seed)
    side = SIDE_PX * SUPERSAMPLING
    for number in range(count):
        alpha = np.zeros((side, side), np.uint8)
        center, radius = np.array([side / 2, side / 2]), side / 5
        cv2.circle(alpha, (side // 2, side // 2), int(radius), 255, -1)
        for angle in random.uniform(0, 2 * np.pi, HAIRS if hair else 0):
            bend, length = random.normal(0, 0.25), random.uniform(1.1, 1.5) * radius
            angles = angle + bend * np.linspace(0, 1, 12) ** 2
            radii = np.linspace(0.9 * radius, length, 12)
            line = center + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
            cv2.polylines(alpha, [np.rint(line).astype(np.int32)], False, 255, int(random.integers(2, 5)))
        small = cv2.resize(alpha, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)
        yield np.dstack([_photograph(number), small if hair else cv2.GaussianBlur(small, (0, 0), UNSHARP_SIGMA_PX)])


def measure(cutout: np.ndarray, background: np.ndarray, border: float) -> dict[str, float]:
    """Return the errors for one object with known alpha.

    Args:
        cutout: uint8 (H, W, 4), RGBA.
        background: uint8 (H, W, 3), RGB.
        border: Half the width of the band in which alpha is estimated, in pixels.
    """
    colors, alpha = cutout[..., :3], cutout[..., 3]
    cover = alpha[..., None] / 255
    photo = np.rint(colors * cover + background * (1 - cover)).astype(np.uint8)
    mask = alpha > 127
    found = soft_alpha(photo, mask, border)
    hard = mask * np.uint8(255)
    inside, outside = (cv2.distanceTransform(one.view(np.uint8), cv2.DIST_L2, 5) for one in (mask, ~mask))
    band = (np.where(mask, inside, outside) <= max(BORDERS_PX)) | ((alpha > 0) & (alpha < 255))
    truth = colors * cover + np.array(WHITE) * (1 - cover)
    naive = photo * (found[..., None] / 255) + np.array(WHITE) * (1 - found[..., None] / 255)
    return {
        "mae hard": _mean(np.abs(hard / 255 - alpha / 255), band),
        "mae": _mean(np.abs(found / 255 - alpha / 255), band),
        "gradient hard": gradient_error(hard, alpha),
        "gradient": gradient_error(found, alpha),
        "color hard": _mean(np.abs(composite(photo, mask, WHITE) - truth), band),
        "color naive": _mean(np.abs(naive - truth), band),
        "color": _mean(np.abs(composite(photo, found, WHITE) - truth), band),
    }


def gradient_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the sum of squared differences between the gradient magnitudes of two alphas, in thousands."""
    return float(((_gradient(found) - _gradient(truth)) ** 2).sum() / 1000)


def _gradient(alpha: np.ndarray) -> np.ndarray:
    smooth = cv2.GaussianBlur(alpha / 255.0, (0, 0), GRADIENT_SIGMA_PX)
    return np.hypot(*np.gradient(smooth))


def _mean(values: np.ndarray, where: np.ndarray) -> float:
    return float(values[where].mean())


def _photograph(number: int) -> np.ndarray:
    """Return a photograph of scikit-image, uint8 (SIDE_PX, SIDE_PX, 3)."""
    names = ("astronaut", "coffee", "chelsea", "rocket")
    return cv2.resize(getattr(skimage.data, names[number % len(names)])(), (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_AREA)


def main(arguments: list[str] | None = None) -> None:
    """Print a table, and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cutouts", type=Path, help="folder of PNG files with an alpha channel; default: drawn objects")
    parser.add_argument("--hair", action="store_true", help="draw objects with hair instead of an unsharp border")
    parser.add_argument("--count", type=int, default=8, help="number of drawn objects")
    parser.add_argument("--out", type=Path, help="JSON file for the means")
    options = parser.parse_args(arguments)
    if options.cutouts:
        cutouts = [np.asarray(Image.open(path).convert("RGBA")) for path in sorted(options.cutouts.glob("*.png"))]
    else:
        cutouts = list(drawn_objects(options.count, options.hair))
    if not cutouts:
        parser.error(f"there is no .png file in {options.cutouts}")
    means: dict[str, dict[str, float]] = {}
    for border in BORDERS_PX:
        backgrounds = (cv2.resize(_photograph(number + 1), one.shape[1::-1]) for number, one in enumerate(cutouts))
        found = [measure(one, background, border) for one, background in zip(cutouts, backgrounds)]
        means[f"{border} px"] = {name: round(float(np.mean([one[name] for one in found])), 4) for name in found[0]}
    print(f"{len(cutouts)} objects")
    print("| band | " + " | ".join(next(iter(means.values()))) + " |")
    print("|---" * (1 + len(next(iter(means.values())))) + "|")
    for border_name, values in means.items():
        print(f"| {border_name} | " + " | ".join(f"{value:.3f}" for value in values.values()) + " |")
    if options.out:
        options.out.write_text(json.dumps({"objects": len(cutouts), "means": means}, indent=1))


if __name__ == "__main__":
    main()
