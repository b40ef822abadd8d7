"""Quantization: codes in files are exact, and GPTQ keeps the output of a network better than rounding does."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import nn
from typer.testing import CliRunner

from cdwidget.cli.app import app
from cdwidget.model import quantization
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.train import RECIPES
from cdwidget.train.gptq import quantize_columns

CONFIG = CDNetConfig(backbone="lite0", size=64, channels=32, bits=4)


@given(
    rows=st.integers(1, 9), columns=st.integers(1, 70), bits=st.sampled_from(sorted(quantization.CODEBOOK_HALVES)), seed=st.integers(0, 99)
)
@settings(deadline=None, max_examples=40)
def test_encoding_decoded_weights_again_changes_nothing(rows, columns, bits, seed):
    weight = torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed)) * 0.02
    codes, scales = quantization.encode(weight, bits)
    assert torch.equal(quantization.unpack(quantization.pack(codes, bits), bits, codes.shape), codes)
    decoded = quantization.decode(codes, scales.half(), bits)
    again = quantization.decode(*quantization.encode(decoded, bits), bits)
    assert torch.allclose(again, decoded, rtol=1e-4, atol=0)


def test_four_bits_are_more_exact_than_three():
    weight = torch.randn(64, 300, generator=torch.Generator().manual_seed(0))
    errors = {
        bits: float((quantization.decode(*quantization.encode(weight, bits), bits) - weight).norm() / weight.norm()) for bits in (3, 4)
    }
    assert errors[4] < 0.12 < errors[3] < 0.22


def test_small_and_depthwise_weights_stay_exact_and_the_largest_get_one_bit_less():
    assert quantization.bits_of(torch.zeros(64, 64), 0) is None
    assert quantization.bits_of(torch.zeros(64), 4) is None
    assert quantization.bits_of(torch.zeros(10, 10), 4) is None
    assert quantization.bits_of(torch.zeros(960, 1, 3, 3), 4) is None
    assert quantization.bits_of(torch.zeros(64, 64), 4) == 4
    assert quantization.bits_of(torch.zeros(600, 500), 4) == 3


def test_a_quantized_file_is_small_and_holds_the_weights_of_the_quantized_context(tmp_path):
    torch.manual_seed(0)
    model = CDNet(CONFIG).eval()
    save_checkpoint(tmp_path / "few.safetensors", model)
    model.config = replace(CONFIG, bits=0)
    save_checkpoint(tmp_path / "whole.safetensors", model)
    assert (tmp_path / "few.safetensors").stat().st_size < 0.45 * (tmp_path / "whole.safetensors").stat().st_size
    loaded = load_checkpoint(tmp_path / "few.safetensors")
    save_checkpoint(tmp_path / "again.safetensors", loaded)
    first, second = load_file(tmp_path / "few.safetensors"), load_file(tmp_path / "again.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in first)
    exact = {name: value.clone() for name, value in model.named_parameters()}
    with quantization.quantized(model, 4):
        for name, value in model.named_parameters():
            assert torch.allclose(value, loaded.get_parameter(name), atol=2e-3 * float(exact[name].detach().abs().max()) + 1e-6), name
    assert all(torch.equal(value, exact[name]) for name, value in model.named_parameters())


def test_damaged_codes_raise_an_error_with_their_name(tmp_path):
    path = tmp_path / "few.safetensors"
    save_checkpoint(path, CDNet(CONFIG))
    with safe_open(path, "pt") as file:
        notes = file.metadata()
    tensors = load_file(path)
    name = "context.0.layers.0.0.weight"
    for change, words in (
        ({name + ".codes": tensors[name + ".codes"][:-3]}, rf"in {name}.codes .* bytes cannot hold"),
        ({name + ".scales": tensors[name + ".scales"][:-3]}, rf"{name}.scales is \(29,\), not \(32,\)"),
        ({name + ".codes": None}, rf"{name} is missing"),
    ):
        changed = {key: value for key, value in {**tensors, **change}.items() if value is not None}
        save_file(changed, path, metadata=notes)
        with pytest.raises(ValueError, match=words):
            load_checkpoint(path)


def test_the_command_round_quantizes_a_network(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "set" / part).mkdir(parents=True)
    for i in range(4):
        mask = cv2.ellipse(np.zeros((60, 80), np.uint8), (30 + i, 30), (18, 14), 0, 0, 360, 255, -1)
        image = np.random.default_rng(i).integers(0, 90, (60, 80, 3), np.uint8) + mask[..., None] // 2
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{i}.png"), image)
        cv2.imwrite(str(tmp_path / "set" / "masks" / f"{i}.png"), mask)
    torch.manual_seed(0)
    whole, few = tmp_path / "whole.safetensors", tmp_path / "few.safetensors"
    save_checkpoint(whole, CDNet(replace(CONFIG, bits=0)))
    command = ["round", str(whole), "--data", str(tmp_path / "set"), "--out", str(few), "--views", "2"]
    run = CliRunner().invoke(app, command, env={"COLUMNS": "400"})
    assert run.exit_code == 0 and f"wrote {few}" in run.output, run.output
    before, after = load_checkpoint(whole), load_checkpoint(few)
    assert after.config == replace(before.config, bits=4, size=RECIPES["cdnet-lite"].model.size)
    names = [name for name, value in before.named_parameters() if quantization.bits_of(value, 4)]
    off = [float((after.get_parameter(n) / before.get_parameter(n) - 1).detach().abs().median()) for n in names]
    assert len(names) > 30 and 0.02 < np.median(off) < 0.3
    again = CliRunner().invoke(app, [*command[:1], str(few), *command[2:]], env={"COLUMNS": "400"})
    assert again.exit_code and "is quantized already" in again.output


def test_gptq_changes_the_output_of_a_layer_less_than_rounding_to_the_nearest():
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(4000, 12, generator=generator) @ torch.randn(12, 96, generator=generator)  # correlated inputs
    inputs += 0.3 * torch.randn(4000, 96, generator=generator)
    layer = nn.Linear(96, 40, bias=False)
    rows = layer.weight.data
    done = quantize_columns(rows, inputs.T @ inputs / len(inputs), 3)
    nearest = quantization.decode(*quantization.encode(rows, 3), 3)
    errors = [float(((inputs @ (rounded - rows).T) ** 2).mean()) for rounded in (done, nearest)]
    assert errors[0] < 0.3 * errors[1]
    values = done / quantization.encode(done, 3)[1][:, None]
    assert all(len(np.unique(row.round(decimals=3).numpy())) <= 8 for row in values)
