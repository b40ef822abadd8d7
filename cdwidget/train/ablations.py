"""What each part of CDNet that must be trained is worth: one recipe with one thing changed at a time, for the same number of batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Sequence

from safetensors import safe_open
from tqdm import tqdm

from cdwidget.train.config import Recipe
from cdwidget.train.trainer import train

CHANGES: dict[str, Mapping[str, Any]] = {  # of the network's configuration
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
    """Train the recipe with each of CHANGES for `steps` batches; return the files of the weights, the unchanged one first.

    folder: for the weights, a file a change. What is there already is not trained again, and what was stopped goes on where it was. The
    encoder's features are computed once for all of them.
    """
    files = []
    for name, change in CHANGES.items():
        out = folder / f"{name}.safetensors"
        files.append(out)
        if _batches(out) == steps:
            continue
        tqdm.write(f"training {name}, {steps} batches")
        changed = replace(recipe, model=replace(recipe.model, **change), steps=steps)
        resume = out.with_suffix(".state").is_file()
        train(changed, data, out, encoder=encoder, resume=resume, features=folder / "features", device=device)
    return files


def _batches(weights: Path) -> int:
    """How many batches weights have seen, 0 when there are none."""
    if not weights.is_file():
        return 0
    with safe_open(weights, framework="pt") as file:
        return int((file.metadata() or {}).get("step", 0))
