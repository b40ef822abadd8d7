"""Weights that version 0.1 wrote still load and predict the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import Tensor, nn

from cdwidget.model import MODELS
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.encoders import BACKBONES, Backbone
from cdwidget.model.quality import WEIGHTS, load_quality_model, save_quality_model

DATA = Path(__file__).parent / "data"


class ToyEncoder(nn.Module):
    """The encoder of the stored checkpoint: one strided convolution per level."""

    def __init__(self) -> None:
        super().__init__()
        self.convs = nn.ModuleList(nn.Conv2d(a, b, k, k) for a, b, k in ((3, 8, 4), (8, 8, 2), (8, 8, 2)))

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        levels = []
        for conv in self.convs:
            image = conv(image).relu()
            levels.append(image)
        return tuple(levels)


@torch.inference_mode()
def test_a_quantized_checkpoint_of_version_0_1_predicts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKBONES, "toy", Backbone(ToyEncoder, channels=(8, 8, 8), stem=0, rates=(1,)))
    model = load_checkpoint(DATA / "checkpoint-0.1.safetensors")
    assert (model.config.bits, model.config.channels, model.config.fdm) == (4, 16, "log")
    rng = np.random.default_rng(0)
    image = torch.from_numpy(rng.random((1, 3, 64, 64), np.float32))
    maps = torch.from_numpy((rng.random((1, 3, 64, 64)) > 0.95).astype(np.float32))
    output = model(model.encode(image), maps)
    expected = np.load(DATA / "checkpoint-0.1.npz")
    np.testing.assert_allclose(output.logits, expected["logits"], atol=1e-4)
    np.testing.assert_allclose(output.quality, expected["quality"], atol=1e-4)


def test_saving_a_checkpoint_of_version_0_1_again_changes_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(BACKBONES, "toy", Backbone(ToyEncoder, channels=(8, 8, 8), stem=0, rates=(1,)))
    old = DATA / "checkpoint-0.1.safetensors"
    save_checkpoint(tmp_path / "new.safetensors", load_checkpoint(old), {"step": "1"})
    with safe_open(old, "pt") as before, safe_open(tmp_path / "new.safetensors", "pt") as after:
        assert before.metadata() == after.metadata()
    expected, got = load_file(old), load_file(tmp_path / "new.safetensors")
    assert expected.keys() == got.keys() and all(torch.equal(got[name], value) for name, value in expected.items())


def test_a_quality_model_has_the_same_weights_under_its_old_and_new_parameter_names(tmp_path: Path) -> None:
    old = load_quality_model(WEIGHTS)
    assert any(name.startswith("judge.") for name in load_file(WEIGHTS)), "the shipped file has the names of version 0.1"
    save_quality_model(old.network, tmp_path / "new.safetensors", {})
    assert not any(name.startswith(("judge.", "wrong.")) for name in load_file(tmp_path / "new.safetensors"))
    new = load_quality_model(tmp_path / "new.safetensors").network.state_dict()
    assert all(torch.equal(new[name], value) for name, value in old.network.state_dict().items())


def test_the_shipped_weights_are_complete() -> None:
    for path in MODELS.values():
        assert load_checkpoint(path).config.quality


def test_old_names_warn_and_still_work() -> None:
    from cdwidget import predictor
    from cdwidget.model import quality

    for module, old, new in (
        (predictor, "Critic", "QualityModel"),
        (predictor, "Judgement", "QualityEstimate"),
        (quality, "load_critic", "load_quality_model"),
    ):
        with pytest.warns(DeprecationWarning, match=new):
            assert getattr(module, old) is getattr(module, new)
