"""CDNet as ONNX graphs without weights, for pages that run the checkpoint in the browser.

The file holds the encoder and the head for views and for focus views, each as a gzipped ONNX graph in a uint8 tensor "encoder-448",
"head-448" and so on. Weights are external data of the graphs: their location is the name of a tensor in the checkpoint. Metadata:
`focus_size`, the side of a focus view, and for each graph the JSON of {"weights": {name: number of values}}.
"""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from cdwidget.model.cdnet import CDNet
from cdwidget.model.focus import FOCUS
from cdwidget.model.onnx import EncoderPart, HeadPart, import_optional

GRAPHS_SUFFIX = ".graphs.safetensors"
MODEL_PREFIX = "model."  # The parts hold the network in an attribute of this name.


def write_graphs(model: CDNet, out: Path) -> list[Path]:
    """Write the graphs of a network without its weights; this takes minutes.

    Args:
        model: The network, with late fusion and IoU prediction.
        out: The file.

    Returns:
        The file, as a list.

    Raises:
        ValueError: If the network has another architecture.
        ImportError: If the packages of cdwidget[onnx] are not installed.
    """
    import_optional("onnxscript")
    config = model.config
    if not (model.late and config.quality) or config.pdm_steps:
        raise ValueError("graphs without weights need late fusion, IoU prediction and no pixel diffusion")
    model = model.eval().cpu()
    tensors, metadata = {}, {"focus_size": str(min(FOCUS.size, config.size))}
    for size in sorted({config.size, min(FOCUS.size, config.size)}):
        image = torch.zeros(1, 3, size, size)
        with torch.no_grad():
            encoded = model.encode(image)
        parts: dict[str, tuple[nn.Module, tuple[Tensor, ...]]] = {
            "encoder": (EncoderPart(model), (image,)),
            "head": (HeadPart(model), (*encoded, image)),
        }
        for name, (part, inputs) in parts.items():
            graph, weights = graph_without_weights(part, inputs)
            tensors[f"{name}-{size}"] = torch.frombuffer(bytearray(gzip.compress(graph, 9, mtime=0)), dtype=torch.uint8)
            metadata[f"{name}-{size}"] = json.dumps({"weights": weights})
    partial = out.with_name(out.name + ".partial")
    save_file(tensors, partial, metadata=metadata)
    os.replace(partial, out)
    return [out]


def graph_without_weights(part: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[bytes, dict[str, int]]:
    """Export a part of a network as an ONNX graph whose weights are external data.

    Args:
        part: A module with the network in the attribute `model`.
        inputs: Its inputs.

    Returns:
        The graph, and the number of values of each weight that it needs.
    """
    import onnx

    with sdpa_kernel(SDPBackend.MATH):  # The exporter does not support the output layout of the fused kernels.
        # Not optimized: the optimizer merges weights, so that they are no longer tensors of the checkpoint. onnxruntime does it later.
        program = torch.onnx.export(part.eval(), inputs, dynamo=True, verbose=False, optimize=False)
    assert program is not None
    proto = program.model_proto
    parameters = dict(part.named_parameters()) | {name: value for name, value in part.named_buffers() if "running_" in name}
    weights = {}
    for initializer in proto.graph.initializer:
        if initializer.name not in parameters:
            continue
        name, count = initializer.name.removeprefix(MODEL_PREFIX), parameters[initializer.name].numel()
        weights[name] = count
        initializer.ClearField("raw_data")
        initializer.data_location = onnx.TensorProto.EXTERNAL
        for key, value in (("location", name), ("offset", "0"), ("length", str(4 * count))):
            initializer.external_data.add(key=key, value=value)
    for node in proto.graph.node:  # Names and stack traces of the exporter.
        node.ClearField("name")
        node.ClearField("doc_string")
        node.ClearField("metadata_props")
    for values in (proto.graph.input, proto.graph.output):
        for value in values:
            value.ClearField("metadata_props")
    for field in ("value_info", "metadata_props"):
        proto.graph.ClearField(field)
    proto.ClearField("metadata_props")
    proto.ClearField("functions")
    return proto.SerializeToString(), weights
