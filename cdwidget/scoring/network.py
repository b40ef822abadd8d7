"""Small networks in plain numpy, and the file of the weights that are shipped."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

WEIGHTS = Path(__file__).with_name("weights.npz")  # what `cdwidget fit-scores` writes
FAR = 5.0  # standard deviations to which what comes in is clipped


@dataclass(frozen=True, eq=False)
class Network:
    """Members with the same layers, whose outputs are averaged.

    names: of the inputs, where they have some. usual: float32 (inputs,), what they are for a good mask. centre, scale: likewise, by which
    they are normalised. weights: (members, in, out) a layer, biases: (members, 1, out); ReLU between them.
    """

    names: tuple[str, ...]
    usual: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]

    def __call__(self, inputs: np.ndarray) -> np.ndarray:
        """Return the mean output of the members, float32 (n, outputs), for inputs (n, inputs)."""
        values = np.clip((inputs.astype(np.float32) - self.centre) / self.scale, -FAR, FAR)[None]
        for number, (weight, bias) in enumerate(zip(self.weights, self.biases)):
            values = (np.maximum(values, 0) if number else values) @ weight + bias
        return values.mean(0)

    def arrays(self) -> dict[str, np.ndarray]:
        """What a file holds of it."""
        layers = {f"{kind}{i}": one for kind, many in (("w", self.weights), ("b", self.biases)) for i, one in enumerate(many)}
        kept = {name: np.asarray(values, np.float16) for name, values in layers.items()}
        return {"names": np.array(self.names, "U32"), "usual": self.usual, "centre": self.centre, "scale": self.scale, **kept}


def softmax(values: np.ndarray) -> np.ndarray:
    """Return chances, (n, outcomes), of a network's outputs."""
    powers = np.exp(values - values.max(1, keepdims=True)) if len(values) else values
    return powers / powers.sum(1, keepdims=True)


def save(networks: dict[str, Network], path: Path = WEIGHTS) -> None:
    """Write networks to one file."""
    arrays = {f"{name}/{key}": values for name, one in networks.items() for key, values in one.arrays().items()}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def load(path: Path = WEIGHTS) -> dict[str, Network]:
    """Read the file of `save`."""
    with np.load(path) as file:
        by_name: dict[str, dict[str, np.ndarray]] = {}
        for key in file.files:
            name, _, part = key.partition("/")
            by_name.setdefault(name, {})[part] = file[key]
    found = {}
    for name, parts in by_name.items():
        weights, biases = (tuple(parts[f"{kind}{i}"].astype(np.float32) for i in range(9) if f"{kind}{i}" in parts) for kind in "wb")
        found[name] = Network(tuple(parts["names"].tolist()), parts["usual"], parts["centre"], parts["scale"], weights, biases)
    return found


@cache
def shipped() -> dict[str, Network]:
    """The networks that the package has: "border ..." and "overall ...", each with and without a predictor."""
    return load()
