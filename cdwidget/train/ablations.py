"""Ablations of training: one recipe with one change at a time, of the network or of its data, trained for the same number of batches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Mapping, Sequence

from safetensors import safe_open
from tqdm import tqdm

from cdwidget.registry import lookup
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


def network_ablations(recipe: Recipe) -> dict[str, Recipe]:
    """Return a recipe with each of CHANGES by name, the unchanged recipe first."""
    return {name: replace(recipe, model=replace(recipe.model, **change)) for name, change in CHANGES.items()}


def data_ablations(recipe: Recipe, left_out: Sequence[str], names: Sequence[str]) -> dict[str, Recipe]:
    """Return a recipe without some of its data sets, and with all of them and another seed.

    Args:
        recipe: The recipe.
        left_out: For each run, the data sets that it leaves out, such as "CamVid,LabelMeFacade".
        names: The names of the available data sets.

    Returns:
        The recipes by name, the unchanged recipe first. The recipe with another seed shows how much two runs differ by chance.

    Raises:
        ValueError: If a name is not among `names`, or a run would leave out all of them.
    """
    recipes = {"all-sets": recipe, "other-seed": replace(recipe, seed=recipe.seed + 1)}
    for text in left_out:
        sets = tuple(name.strip() for name in text.split(","))
        for name in sets:
            lookup(dict.fromkeys(names), name, "data set")
        if set(sets) == set(names):
            raise ValueError(f"{text!r} are all data sets; leave out fewer of them, or give more")
        recipes[f"without-{'+'.join(sets)}"] = replace(recipe, left_out=sets)
    return recipes


def train_ablations(
    recipes: Mapping[str, Recipe], steps: int, data: Sequence[Path], folder: Path, encoder: Path | None, device: str = "auto"
) -> list[Path]:
    """Train several recipes for the same number of batches.

    Finished runs are skipped, and interrupted ones resume.

    Args:
        recipes: The recipes by name; runs with the same views share the features of a frozen encoder.
        steps: Batches per run.
        data: Folders of data sets.
        folder: Folder to write one weights file per recipe to.
        encoder: Pre-trained encoder weights.
        device: "cpu", "cuda" or "auto".

    Returns:
        The weights files, in the order of the recipes.
    """
    files = []
    for name, recipe in recipes.items():
        out = folder / f"{name}.safetensors"
        files.append(out)
        if _trained_steps(out) == steps:
            continue
        tqdm.write(f"training {name}, {steps} batches")
        resume = out.with_suffix(".state").is_file()
        train(replace(recipe, steps=steps), data, out, encoder=encoder, resume=resume, features=folder / "features", device=device)
    return files


def _trained_steps(weights: Path) -> int:
    """Return the number of batches that weights were trained on, 0 if there is no file."""
    if not weights.is_file():
        return 0
    with safe_open(weights, framework="pt") as file:
        return int((file.metadata() or {}).get("step", 0))
