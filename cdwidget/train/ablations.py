"""Ablations of the trained parts of CDNet: one recipe with one change at a time, trained for the same number of batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Sequence

from safetensors import safe_open
from tqdm import tqdm

from cdwidget.train.config import Recipe
from cdwidget.train.trainer import train

CHANGES: dict[str, Mapping[str, Any]] = {  # name -> changes of CDNetConfig
    "cdnet": {},
    "fdm-off": {"fdm": "off"},
    "fdm-v1": {"fdm": "v1"},
    "fdm-v3": {"fdm": "v3"},
    "affinity-off": {"click_affinity": False},
    "dt-off": {"latent_heads": 0},
    "no-previous-mask": {"previous_mask": False},
    "clicks-gaussian": {"click_encoding": "gaussian"},
    "clicks-distance": {"click_encoding": "distance"},
}


def train_ablations(
    recipe: Recipe, steps: int, data: Sequence[Path], folder: Path, encoder: Path | None, device: str = "auto"
) -> list[Path]:
    """Train a recipe with each of CHANGES.

    Finished runs are skipped, and interrupted ones resume.

    Args:
        recipe: The recipe; all runs share the features of its encoder if that is frozen.
        steps: Batches per run.
        data: Folders of data sets.
        folder: Folder to write one weights file per change to.
        encoder: Pre-trained encoder weights.
        device: "cpu", "cuda" or "auto".

    Returns:
        The weights files, the unchanged recipe first.
    """
    files = []
    for name, change in CHANGES.items():
        out = folder / f"{name}.safetensors"
        files.append(out)
        if _trained_steps(out) == steps:
            continue
        tqdm.write(f"training {name}, {steps} batches")
        changed = replace(recipe, model=replace(recipe.model, **change), steps=steps)
        resume = out.with_suffix(".state").is_file()
        train(changed, data, out, encoder=encoder, resume=resume, features=folder / "features", device=device)
    return files


def _trained_steps(weights: Path) -> int:
    """Return the number of batches that weights were trained on, 0 if there is no file."""
    if not weights.is_file():
        return 0
    with safe_open(weights, framework="pt") as file:
        return int((file.metadata() or {}).get("step", 0))
