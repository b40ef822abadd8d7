"""ONNX graphs predict as the network does, in the predictor, the command line and the latency benchmark."""

import json

import numpy as np
import pytest
import torch
from skimage.data import astronaut
from typer.testing import CliRunner

from cdwidget import Click, load_predictor
from cdwidget.cli.app import app
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.onnx import OnnxCDNet, export_onnx

pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A small network with late fusion and random weights."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("onnx") / "small.safetensors"
    save_checkpoint(path, CDNet(CDNetConfig(backbone="tinyvit", size=64, channels=32, quality=True)))
    return path


@pytest.fixture(scope="module")
def graph(weights):
    out = weights.with_name("graph.onnx")
    run = CliRunner().invoke(app, ["export-onnx", str(weights), str(out)], env={"COLUMNS": "400"})
    assert run.exit_code == 0, run.output
    assert f"wrote {out}" in run.output and "graph.encoder.onnx" in run.output
    return out


def test_encoder_and_head_agree_with_torch(weights, graph):
    torch.manual_seed(1)
    network, graphs = load_checkpoint(weights), OnnxCDNet(graph)
    image, maps = torch.rand(1, 3, 64, 64), (torch.rand(1, 3, 64, 64) > 0.9).float()
    with torch.inference_mode():
        expected = network.encode(image)
        got = graphs.encode(image)
        assert all((a - b).abs().max() < 1e-3 for a, b in zip(got, expected, strict=True))
        a, b = graphs(got, maps), network(expected, maps)
    assert all((x - y).abs().max() < 1e-3 for x, y in ((a.logits, b.logits), (a.gate, b.gate), (a.quality, b.quality)))
    assert graphs.config == network.config and b.logits.std() > 0.01


def test_the_predictor_runs_graphs(weights, graph):
    image = np.asarray(astronaut())
    network, graphs = load_predictor(weights, "cpu"), load_predictor(str(graph))
    network.set_image(image)
    graphs.set_image(image)
    a, b = (predictor.predict([Click(200, 100), Click(20, 20, False)]) for predictor in (graphs, network))
    assert a.prob.shape == b.prob.shape and np.abs(a.prob - b.prob).mean() < 0.02  # The network may compute in bf16.
    assert a.factors is None and len(a.alternatives) == len(b.alternatives)


def test_the_benchmark_has_a_row_for_the_graphs(graph, tmp_path):
    out = tmp_path / "latency.json"
    run = CliRunner().invoke(app, ["benchmark", "--latency", "--size", "40x32", "--methods", f"{graph}, {graph}@pdm-0", "--out", str(out)])
    assert run.exit_code == 0, run.output
    assert [row["method"] for row in json.loads(out.read_text())["latency"]] == [str(graph), f"{graph}@pdm-0"]


def test_files_that_are_not_graphs_raise_errors(graph, tmp_path):
    with pytest.raises(FileNotFoundError, match="export-onnx"):
        load_predictor(tmp_path / "none.onnx")
    with pytest.raises(ValueError, match="is not a CDNet"):
        OnnxCDNet(_without_notes(graph, tmp_path / "other.onnx"))
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(graph.read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"damaged\.onnx is not an ONNX graph that can be run"):
        load_predictor(damaged)
    with pytest.raises(ValueError, match="must end in .onnx"):
        export_onnx(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)), tmp_path / "x.bin")


def _without_notes(graph, path):
    import onnx

    model = onnx.load(graph)
    del model.metadata_props[:]
    onnx.save(model, path)
    return path
