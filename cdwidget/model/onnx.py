"""CDNet as two ONNX graphs, for onnxruntime and other programs: the encoder, which runs once a view, and the head, which answers prompts.

`NAME.onnx` is the head: level0, level1 ... (or, in early fusion, level0 alone, the image) and maps in; logits, gate and quality out.
`NAME.encoder.onnx` is the encoder: image in, levels out; there is none in early fusion. Shapes are those of `CDNet`, one view at a time.
Pixel diffusion has no parameters and stays outside, as it does in the network.
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

from cdwidget.model.cdnet import CDNet, CDNetConfig, Output

OUTPUTS = ("logits", "gate", "quality")


def export_onnx(model: CDNet, out: Path) -> list[Path]:
    """Write a network's graphs, float32; return their files.

    out: the head's file, ending in .onnx. Raises ValueError for another ending, ImportError without the packages of cdwidget[onnx].
    """
    if out.suffix != ".onnx":
        raise ValueError(f"{out} must end in .onnx")
    _needed("onnxscript")
    size = model.config.size
    image, maps = torch.zeros(1, 3, size, size), torch.zeros(1, 3, size, size)
    model = model.eval().cpu()
    with torch.no_grad():
        encoded = model.encode(image)
    names = [f"level{i}" for i in range(len(encoded))]
    outputs = OUTPUTS if model.config.quality else OUTPUTS[:-1]
    parts: list[tuple[Path, nn.Module, tuple[Tensor, ...], list[str], list[str]]] = [
        (out, _Head(model), (*encoded, maps), [*names, "maps"], list(outputs))
    ]
    if model.late:
        parts.append((_encoder_of(out), _Encoder(model), (image,), ["image"], names))
    for path, part, inputs, given, made in parts:
        with sdpa_kernel(SDPBackend.MATH):  # what the fused kernels return is laid out as the exporter does not expect
            program = torch.onnx.export(part.eval(), inputs, input_names=given, output_names=made, dynamo=True, verbose=False)
        assert program is not None
        program.model.metadata_props["cdwidget"] = json.dumps(asdict(model.config))
        program.save(path)
    return [path for path, *_ in parts]


class OnnxCDNet(CDNet):
    """The graphs in place of CDNet's layers, so that `CDNetPredictor(OnnxCDNet(path))` answers prompts; it records no factors.

    path: the head's file. Raises FileNotFoundError, ValueError for a graph of something else, ImportError without onnxruntime.
    """

    fixed_size = True

    def __init__(self, path: Path):
        nn.Module.__init__(self)  # and none of CDNet's layers
        self._head = _session(path)
        notes = self._head.get_modelmeta().custom_metadata_map
        if "cdwidget" not in notes:
            raise ValueError(f"{path} is no CDNet; give the file that `cdwidget export-onnx` wrote")
        self.config = CDNetConfig(**json.loads(notes["cdwidget"]))
        self.late = len(self._head.get_inputs()) > 2
        self._encoder = _session(_encoder_of(path)) if self.late else None

    def encode(self, image: Tensor) -> tuple[Tensor, ...]:
        """As `CDNet.encode`, for one image (1, 3, S, S)."""
        return (image,) if self._encoder is None else _run(self._encoder, image)

    def forward(self, encoded: tuple[Tensor, ...], maps: Tensor, latent: bool = True) -> Output:
        """As `CDNet.forward`, but that the graph always asks all heads."""
        logits, gate, *quality = _run(self._head, *encoded, maps)
        return Output(logits, gate, None, quality[0] if quality else None)

    def predict_focus(self, encoded: tuple[Tensor, ...], maps: Tensor, image: Tensor) -> Output:
        """As `CDNet.predict_focus`, without a detail branch."""
        return self(encoded, maps)._replace(quality=None)


class _Encoder(nn.Module):
    def __init__(self, model: CDNet):
        super().__init__()
        self.model = model

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        return self.model.encode(image)


class _Head(nn.Module):
    def __init__(self, model: CDNet):
        super().__init__()
        self.model = model

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        output = self.model(inputs[:-1], inputs[-1])
        return tuple(x for x in (output.logits, output.gate, output.quality) if x is not None)


def _encoder_of(head: Path) -> Path:
    return head.with_suffix(".encoder.onnx")


def _session(path: Path) -> Any:
    runtime = _needed("onnxruntime")
    if not path.is_file():
        raise FileNotFoundError(f"there is no graph {path}; write it with `cdwidget export-onnx`, which makes head and encoder")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    return runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def _run(session: Any, *inputs: Tensor) -> tuple[Tensor, ...]:
    given = {node.name: tensor.float().cpu().numpy() for node, tensor in zip(session.get_inputs(), inputs)}
    return tuple(torch.from_numpy(array) for array in session.run(None, given))


def _needed(package: str) -> ModuleType:
    try:
        return import_module(package)
    except ImportError as error:
        raise ImportError(f"{package} is needed for ONNX; install it with: pip install 'cdwidget[onnx]'") from error
