"""CDNet: the network, its weights, and its predictor."""

from __future__ import annotations

from pathlib import Path

import torch

from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.onnx import OnnxCDNet
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.registry import lookup

__all__ = ["DEFAULT", "MODELS", "CDNetPredictor", "load_predictor"]

WEIGHTS = Path(__file__).parent / "weights"
MODELS: dict[str, Path] = {
    "cdnet-tiny": WEIGHTS / "cdnet-tiny.safetensors",
    "cdnet-lite": WEIGHTS / "cdnet-lite.safetensors",
}
DEFAULT = "cdnet-tiny"


def load_predictor(name_or_path: str | Path | None = None, device: str = "auto") -> CDNetPredictor:
    """Load a trained CDNet.

    Args:
        name_or_path: A name in MODELS, a .safetensors file that `cdwidget train` wrote, or an .onnx file that `cdwidget export-onnx` wrote
            (CPU only); None for the default model.
        device: "cpu", "cuda", ... or "auto", which uses a GPU if there is one.

    Returns:
        The predictor.

    Raises:
        ValueError: If the name is unknown or the file is not a checkpoint.
        FileNotFoundError: If there is no such file.

    Example:
        >>> predictor = load_predictor()
        >>> predictor.set_image(image)
        >>> predictor.predict([Click(120, 88)]).mask
    """
    if name_or_path is None:
        name_or_path = DEFAULT
    is_path = isinstance(name_or_path, Path) or Path(name_or_path).suffix in (".safetensors", ".onnx")
    path = Path(name_or_path) if is_path else lookup(MODELS, str(name_or_path), "model")
    if path.suffix == ".onnx":
        return CDNetPredictor(OnnxCDNet(path))
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    return CDNetPredictor(load_checkpoint(path), device)
