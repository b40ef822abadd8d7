"""ONNX graphs without weights, which pages run with the weights of the checkpoint."""

import gzip
import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import nn

from cdwidget.model import MODELS
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint
from cdwidget.model.graphs import GRAPHS_SUFFIX, graph_without_weights, write_graphs

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")

CHECKPOINT = MODELS["cdnet-lite"]


def run(graph, weights, *inputs):
    """Run a graph after its weights are put back."""
    proto = onnx.load_from_string(graph)
    for one in proto.graph.initializer:
        if one.data_location == onnx.TensorProto.EXTERNAL:
            location = {entry.key: entry.value for entry in one.external_data}["location"]
            one.ClearField("external_data")
            one.data_location = onnx.TensorProto.DEFAULT
            one.raw_data = weights[location].numpy().tobytes()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, {node.name: tensor.numpy() for node, tensor in zip(session.get_inputs(), inputs)})


class Part(nn.Module):
    def __init__(self):
        super().__init__()
        self.model = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4))

    def forward(self, x):
        return self.model(x)


def test_weights_are_external_under_their_names_in_the_checkpoint():
    part = Part().eval()
    part.model[1].running_mean += 2
    image = torch.rand(1, 3, 8, 8)
    graph, counts = graph_without_weights(part, (image,))
    assert counts == {"0.weight": 108, "1.weight": 4, "1.bias": 4, "1.running_mean": 4, "1.running_var": 4}
    (output,) = run(graph, part.model.state_dict(), image)
    assert np.allclose(output, part(image).detach().numpy(), atol=1e-5)


def test_the_packaged_graphs_are_those_of_the_packaged_weights():
    network = load_checkpoint(CHECKPOINT)
    weights = network.state_dict()
    with safe_open(CHECKPOINT.with_name(CHECKPOINT.stem + GRAPHS_SUFFIX), "pt") as file:
        size, metadata = int(file.metadata()["focus_size"]), file.metadata()
        graphs = {name: gzip.decompress(file.get_tensor(name).numpy().tobytes()) for name in file.keys()}
    assert sorted(graphs) == ["encoder-224", "encoder-448", "head-224", "head-448"] and network.config.size == 448
    for name in graphs:
        assert all(weights[weight].numel() == count for weight, count in json.loads(metadata[name])["weights"].items())
    image, maps = torch.rand(1, 3, size, size), (torch.rand(1, 3, size, size) > 0.99).float()
    with torch.inference_mode():
        encoded = network.encode(image)
        expected = network(encoded, maps)
    levels = run(graphs[f"encoder-{size}"], weights, image)
    assert all(np.abs(a - b.numpy()).max() < 1e-3 for a, b in zip(levels, encoded, strict=True))
    logits, _, quality = run(graphs[f"head-{size}"], weights, *encoded, maps)
    assert np.abs(logits - expected.logits.numpy()).max() < 1e-3 and np.abs(quality - expected.quality.numpy()).max() < 1e-3


def test_other_architectures_raise_an_error(tmp_path):
    with pytest.raises(ValueError, match="late fusion"):
        write_graphs(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)), tmp_path / "x.graphs.safetensors")
