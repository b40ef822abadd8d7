"""CDNet as two ONNX graphs, for onnxruntime and other programs: the encoder, which runs once per view, and the head.

`NAME.onnx` is the head: inputs level0, level1, ... (in early fusion level0 alone, the image) and maps; outputs logits, gate and quality.
`NAME.encoder.onnx` is the encoder: input image, outputs the levels; early fusion has no encoder file. Shapes are as in `CDNet`, with a
batch of one. Pixel diffusion has no parameters and is not part of the graphs.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cdwidget.model.cdnet import CDNet, Output
from cdwidget.model.checkpoint import read_config

OUTPUTS = ("logits", "gate", "quality")


def export_onnx(model: CDNet, out: Path) -> list[Path]:
    """Write the ONNX graphs of a network, float32.

    Args:
        model: The network.
        out: File of the head, ending in .onnx.

    Returns:
        The files written.

    Raises:
        ValueError: If the file has another ending.
        ImportError: If the packages of cdwidget[onnx] are not installed.
    """
    if out.suffix != ".onnx":
        raise ValueError(f"{out} must end in .onnx")
    import_optional("onnxscript")
    size = model.config.size
    image, maps = torch.zeros(1, 3, size, size), torch.zeros(1, 3, size, size)
    model = model.eval().cpu()
    with torch.no_grad():
        encoded = model.encode(image)
    names = [f"level{i}" for i in range(len(encoded))]
    outputs = OUTPUTS if model.config.quality else OUTPUTS[:-1]
    parts: list[tuple[Path, nn.Module, tuple[Tensor, ...], list[str], list[str]]] = [
        (out, HeadPart(model), (*encoded, maps), [*names, "maps"], list(outputs))
    ]
    if model.late:
        parts.append((_encoder_path(out), EncoderPart(model), (image,), ["image"], names))
    for path, part, inputs, input_names, output_names in parts:
        with sdpa_kernel(SDPBackend.MATH):  # The exporter does not support the output layout of the fused kernels.
            program = torch.onnx.export(part.eval(), inputs, input_names=input_names, output_names=output_names, dynamo=True, verbose=False)
        assert program is not None
        program.model.metadata_props["cdwidget"] = json.dumps(asdict(model.config))
        program.save(path)
    return [path for path, *_ in parts]


class OnnxCDNet(CDNet):
    """A CDNet that runs ONNX graphs, for `CDNetPredictor(OnnxCDNet(path))`.

    It records no factors.

    Args:
        path: File of the head.

    Raises:
        FileNotFoundError: If a graph is missing.
        ValueError: If the graph is not a CDNet, or cannot be run.
        ImportError: If onnxruntime is not installed.
    """

    has_fixed_size = True

    def __init__(self, path: Path):
        nn.Module.__init__(self)  # Without CDNet's layers.
        self._path = path
        self._head = _session(path)
        try:
            metadata = self._head.get_modelmeta().custom_metadata_map
        except ValueError as error:  # UnicodeDecodeError.
            raise _cannot_run(path, error) from error
        if "cdwidget" not in metadata or len(self._head.get_outputs()) < len(OUTPUTS) - 1:
            raise ValueError(f"{path} is not a CDNet; give the file that `cdwidget export-onnx` wrote")
        self.config = read_config(metadata["cdwidget"], path)
        self.late = len(self._head.get_inputs()) > 2
        self._encoder = _session(_encoder_path(path)) if self.late else None

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """Encode one image (1, 3, S, S), as `CDNet.encode` does."""
        return (image,) if self._encoder is None else self._run(self._encoder, image)

    def forward(self, encoded: tuple[Tensor, ...], maps: Tensor, latent: bool = True) -> Output:
        """Predict as `CDNet.forward` does; all heads always run."""
        logits, gate, *quality = self._run(self._head, *encoded, maps)
        return Output(logits, gate, None, quality[0] if quality else None)

    def _run(self, session: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
        feed = {node.name: tensor.float().cpu().numpy() for node, tensor in zip(session.get_inputs(), inputs)}
        try:
            return tuple(torch.from_numpy(array) for array in session.run(None, feed))
        except Exception as error:  # onnxruntime has many types of errors, none of them public.
            raise _cannot_run(self._path, error) from error


class EncoderPart(nn.Module):
    """The encoder of a network as a module of its own."""

    def __init__(self, model: CDNet):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.model.encode(image)


class HeadPart(nn.Module):
    """The rest of a network, for encoder levels and prompt maps."""

    def __init__(self, model: CDNet):
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        output = self.model(inputs[:-1], inputs[-1])
        return tuple(x for x in (output.logits, output.gate, output.quality) if x is not None)


def _encoder_path(head: Path) -> Path:
    return head.with_suffix(".encoder.onnx")


def _session(path: Path) -> Any:
    runtime = import_optional("onnxruntime")
    if not path.is_file():
        raise FileNotFoundError(f"there is no graph {path}; write head and encoder with `cdwidget export-onnx`")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has many types of errors, none of them public.
        raise _cannot_run(path, error) from error


def _cannot_run(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path} is not an ONNX graph that can be run ({error}); write it again with `cdwidget export-onnx`")


def import_optional(package: str) -> ModuleType:
    """Return a package of cdwidget[onnx]; raise ImportError with the command that installs it."""
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is needed for ONNX; install it with: pip install 'cdwidget[onnx]'") from error
