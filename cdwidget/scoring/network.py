"""Small networks in plain NumPy, and the file with the shipped weights."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("weights.npz")  # Written by `cdwidget fit-scores`.
INPUT_CLIP_STD = 5.0  # Inputs are clipped to this many standard deviations.
MAX_LAYERS = 9


@dataclass(frozen=True, eq=False)
class Network:
    """An ensemble of multilayer perceptrons with ReLU, whose outputs are averaged.

    Attributes:
        names: Names of the inputs; empty if they have none.
        typical: Typical inputs of a good mask, float32 (inputs,).
        center: Mean by which inputs are normalized, float32 (inputs,).
        scale: Standard deviation by which inputs are normalized, float32 (inputs,).
        weights: Weights of each layer, float32 (members, in, out).
        biases: Biases of each layer, float32 (members, 1, out).
    """

    names: tuple[str, ...]
    typical: np.ndarray
    center: np.ndarray
    scale: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return the mean output of the members, float32 (n, outputs), for inputs (n, inputs)."""
        values = np.clip((inputs.astype(np.float32) - self.center) / self.scale, -INPUT_CLIP_STD, INPUT_CLIP_STD)[None]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            values = (np.maximum(values, 0) if number else values) @ weight + bias
        return values.mean(0)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays to store, by their names in the file; weights and biases as float16."""
        layers = {f"{kind}{i}": layer for kind, stack in (("w", self.weights), ("b", self.biases)) for i, layer in enumerate(stack)}
        half = {name: np.asarray(values, np.float16) for name, values in layers.items()}
        return {"names": np.array(self.names, "U32"), "usual": self.typical, "centre": self.center, "scale": self.scale, **half}


def softmax(logits: np.ndarray) -> np.ndarray:
    """Return the probabilities of logits along the last axis, (n, outcomes)."""
    powers = np.exp(logits - logits.max(1, keepdims=True)) if len(logits) else logits
    return powers / powers.sum(1, keepdims=True)


def save_networks(networks: dict[str, Network], path: Path = WEIGHTS) -> None:
    """Write networks to one `.npz` file."""
    arrays = {f"{name}/{key}": values for name, network in networks.items() for key, values in network.arrays().items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load_networks(path: Path = WEIGHTS) -> dict[str, Network]:
    """Read the file of `save_networks`."""
    with np.load(path) as file:
        by_name: dict[str, dict[str, np.ndarray]] = {}
        for key in file.files:
            name, _, part = key.partition("/")
            by_name.setdefault(name, {})[part] = file[key]
    networks = {}
    for name, parts in by_name.items():
        weights, biases = (
            tuple(parts[f"{kind}{i}"].astype(np.float32) for i in range(MAX_LAYERS) if f"{kind}{i}" in parts) for kind in "wb"
        )
        networks[name] = Network(tuple(parts["names"].tolist()), parts["usual"], parts["centre"], parts["scale"], weights, biases)
    return networks


@cache
def shipped_networks() -> dict[str, Network]:
    """Return the shipped boundary and overall networks by name."""
    return load_networks()
