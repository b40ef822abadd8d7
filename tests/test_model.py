"""The network: every backbone trains and can be saved; FDM, PDM and the prompt maps equal their formulas."""

import json
from dataclasses import asdict

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

from cdwidget.model import pdm
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, load_encoder, save_checkpoint
from cdwidget.model.encoders import BACKBONES
from cdwidget.model.fdm import FDM, MIN_SOURCE
from cdwidget.model.prompt_maps import MAX_DISTANCE_PX, encode_clicks, prompt_maps, source_maps
from cdwidget.model.quantization import cast_weights, inference_precision
from cdwidget.prompts import Box, Click, Stroke


def small(backbone: str = "lite0", **changes) -> CDNet:
    torch.manual_seed(0)
    return CDNet(CDNetConfig(backbone=backbone, size=64, channels=32, **changes))


def inputs(size: int = 64):
    torch.manual_seed(1)
    maps = torch.zeros(2, 3, size, size)
    maps[:, 0, 20:28, 20:28] = 1
    return torch.rand(2, 3, size, size), maps


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_runs_forward_and_backward(backbone):
    model = small(backbone)
    image, maps = inputs()
    output = model(model.encode(image), maps)
    assert output.logits.shape == (2, 5, 16, 16)
    assert output.gate.shape[-1] == 64 // BACKBONES[backbone].stride
    (output.logits.square().mean() + output.gate.square().mean()).backward()
    silent = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.abs().sum() > 0]
    assert not silent


@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_can_be_saved_and_loaded(backbone, tmp_path):
    model = small(backbone)
    save_checkpoint(tmp_path / "m.safetensors", model)
    loaded = load_checkpoint(tmp_path / "m.safetensors")
    assert loaded.config == model.config and not loaded.training
    for name, value in model.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value  # The file is fp16.
        assert torch.equal(loaded.state_dict()[name], expected), name


@pytest.mark.parametrize("damage, complaint", [("drop", "is missing"), ("add", "is not known"), ("shape", "not (")])
def test_wrong_keys_raise_an_error(damage, complaint, tmp_path):
    path = tmp_path / "m.safetensors"
    save_checkpoint(path, small())
    tensors = load_file(path)
    name = "fdm.q.weight"
    if damage == "drop":
        del tensors[name]
    elif damage == "add":
        tensors["fdm.extra"] = torch.zeros(1)
    else:
        tensors[name] = tensors[name][:1].clone()
    save_file(tensors, path, metadata={"config": json.dumps(asdict(small().config))})
    with pytest.raises(ValueError, match="does not fit the model") as error:
        load_checkpoint(path)
    assert complaint in str(error.value)


def test_files_that_are_not_checkpoints_raise_errors(tmp_path):
    path = tmp_path / "m.safetensors"
    path.write_bytes(b"not weights")
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        load_checkpoint(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match="no cdwidget configuration"):
        load_checkpoint(path)
    with pytest.raises(FileNotFoundError, match="no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"depth": 3}', "written by another version"),
        ('{"channels": "32"}', "value '32' of channels"),
        ('{"channels": 1000000000}', "value 1000000000 of channels"),
        ('{"quality": 1}', "value 1 of quality"),
        ('{"click_radius": NaN}', "value nan of click_radius"),
        ('{"fdm": "v9"}', "value 'v9' of fdm"),
        ('{"backbone": "none"}', "describes no network"),
    ],
)
def test_a_wrong_configuration_is_explained(config, message, tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.zeros(1)}, path, metadata={"config": config})
    with pytest.raises(ValueError, match=message) as error:
        load_checkpoint(path)
    assert str(path) in str(error.value)


def test_encoder_weights_load_strictly(tmp_path):
    source, target = small(), small()
    path = tmp_path / "encoder.safetensors"
    state = {name: value.clone() for name, value in source.backbone.state_dict().items()}
    save_file(state | {"_fc.weight": torch.zeros(1)}, path)  # A classifier is ignored.
    load_encoder(target, path)
    torch.testing.assert_close(target.backbone._conv_stem.weight, source.backbone._conv_stem.weight)
    del state["_conv_stem.weight"]
    save_file(state, path)
    with pytest.raises(ValueError, match="_conv_stem.weight is missing"):
        load_encoder(target, path)


@torch.inference_mode()
def test_the_main_head_predicts_the_same_alone():
    model = small(quality=True).eval()
    image, maps = inputs()
    encoded = model.encode(image)
    every_head, main = model(encoded, maps), model(encoded, maps, latent=False)
    assert torch.allclose(main.logits, every_head.logits[:, :1], atol=1e-6) and main.quality is None
    assert torch.equal(main.gate, every_head.gate)


@torch.inference_mode()
def test_a_network_with_cast_weights_predicts_the_same():
    model = small().eval()
    kept = {name: value.clone() for name, value in model.state_dict().items()}
    image, maps = inputs()
    with inference_precision():
        once, again = (network(network.encode(image), maps).logits for network in (model, cast_weights(model)))
    assert torch.equal(once, again)
    assert all(torch.equal(value, kept[name]) and value.dtype == kept[name].dtype for name, value in model.state_dict().items())


def test_the_previous_mask_can_be_switched_off():
    image, maps = inputs()
    other = maps.clone()
    other[:, 2] = 1
    for switched_on in (True, False):
        model = small("tinyvit", previous_mask=switched_on).eval()
        with torch.no_grad():
            encoded = model.encode(image)
            same = torch.equal(model(encoded, maps).logits, model(encoded, other).logits)
        assert same != switched_on


def dense_fdm(fdm: FDM, x: torch.Tensor, clicks: torch.Tensor) -> torch.Tensor:
    """Compute the formula one token at a time: X' = X + sum_b BN(Z_b . D_i sum_j A_ij v_j)."""
    b, c, h, w = x.shape
    q, k, v = (conv(x).flatten(2)[0].T for conv in (fdm.q, fdm.k, fdm.v))
    foreground = fdm.gate(x).sigmoid().flatten()
    out = x
    for branch, destination in enumerate((foreground, 1 - foreground)):
        source = clicks[0, branch].flatten()
        y = torch.zeros(h * w, c)
        for i in range(h * w):
            raw = k @ q[i]
            if fdm.variant == "log":
                weight = (source + MIN_SOURCE) * torch.exp(raw / c**0.5)
                weight = weight / weight.sum()
            else:
                s, d = source, destination
                if fdm.variant == "v1":
                    s, d = 0.9 * s + 0.1, 0.9 * d + 0.1
                else:
                    s = (s + (d > 0.8)).clamp(max=1)
                weight = torch.softmax(raw * s, 0)
            d = 0.9 * destination[i] + 0.1 if fdm.variant == "v1" else destination[i]
            y[i] = d * (weight @ v)
        out = out + fdm.z[branch](y.T.reshape(1, c, h, w))
    return out


@pytest.mark.parametrize("variant", ["log", "v1", "v3"])
def test_fdm_equals_its_formula(variant):
    torch.manual_seed(0)
    fdm = FDM(8, variant).eval()
    x, clicks = torch.randn(1, 8, 4, 5), torch.rand(1, 2, 4, 5) * (torch.rand(1, 2, 4, 5) > 0.7)
    with torch.no_grad():
        torch.testing.assert_close(fdm(x, clicks)[0], dense_fdm(fdm, x, clicks), rtol=1e-4, atol=1e-5)


def test_fdm_off_passes_features_through():
    x = torch.randn(1, 8, 4, 4)
    y, gate, factors = FDM(8, "off")(x, torch.zeros(1, 2, 4, 4))
    assert y is x and gate.shape == (1, 1, 4, 4) and factors is None


def test_fdm_without_any_click_stays_finite():
    fdm = FDM(8).eval()
    y, _, _ = fdm(100 * torch.randn(1, 8, 4, 4), torch.zeros(1, 2, 4, 4))
    assert torch.isfinite(y).all()


def dense_pdm(logits, seeds, image, steps):
    height, width = logits.shape
    m0 = 2 / (1 + np.exp(-logits)) - 1
    m = np.where(np.abs(m0) <= 0.25, 0, m0) + 10 * seeds
    weights = np.zeros((height, width, 32))
    for y in range(height):
        for x in range(width):
            around = np.array([image[:, min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)] for dy, dx in pdm.OFFSETS])
            spread = 0.1 * around.std(0, ddof=1) + 1e-8
            raw = np.exp(-(np.abs(around - image[:, y, x]) / spread).mean(1))
            weights[y, x] = raw / raw.sum()
    for _ in range(steps):
        new = np.zeros_like(m)
        for y in range(height):
            for x in range(width):
                for r, (dy, dx) in enumerate(pdm.OFFSETS):
                    new[y, x] += weights[y, x, r] * m[min(max(y + dy, 0), height - 1), min(max(x + dx, 0), width - 1)]
        m = new
    return m + m0


def test_pdm_equals_its_formula_where_nothing_is_certain():
    rng = np.random.default_rng(0)
    logits, image, seeds = rng.normal(0, 0.5, (9, 11)), rng.random((3, 9, 11)), np.zeros((9, 11))
    seeds[2, 3], seeds[7, 8] = 1, -1
    affinity = pdm.Affinity(torch.from_numpy(image).float())
    got = pdm.diffuse(torch.from_numpy(logits).float(), torch.from_numpy(seeds).float(), affinity, 4)
    np.testing.assert_allclose(got.numpy(), dense_pdm(logits, seeds, image, 4), rtol=1e-4, atol=1e-4)


def test_pdm_keeps_confident_regions_and_follows_edges():
    image = torch.zeros(3, 32, 32)
    image[:, :, 16:] = 1
    logits = torch.full((32, 32), -8.0)
    logits[:, :20] = 8.0  # The prediction crosses the edge ...
    logits[:, 14:22] = torch.linspace(1, -1, 8)  # ... and is uncertain there.
    mask = pdm.diffuse(logits, torch.zeros(32, 32), pdm.Affinity(image), 10) > 0
    assert mask[:, :16].all() and not mask[:, 16:].any()


def test_pdm_affinity_is_cached_between_predictions():
    affinity = pdm.Affinity(torch.rand(3, 16, 16))
    logits, seeds = torch.randn(16, 16) / 4, torch.zeros(16, 16)
    first = pdm.diffuse(logits, seeds, affinity, 3)
    assert affinity.known.any()
    assert torch.equal(first, pdm.diffuse(logits, seeds, affinity, 3))


def test_prompt_maps_have_disks_at_the_clicks():
    maps = prompt_maps([Click(10, 20), Click(30, 5, False)], (0, 0, 40, 40), 80, 5)
    ys, xs = np.nonzero(maps[0])
    assert (xs.mean() + 0.5, ys.mean() + 0.5) == (21, 41)  # The center of pixel (10, 20) in a view of twice the size.
    assert abs(len(xs) - np.pi * 25) < 8
    assert maps[1, 11, 61] == 1 and maps[1].sum() == maps[0].sum()


def test_clicks_outside_the_view_are_not_painted():
    assert prompt_maps([Click(5, 5)], (10, 10, 20, 20), 64, 5).sum() == 0


def test_a_box_is_a_frame_of_negatives_and_a_stroke_follows_its_line():
    maps = prompt_maps([Box(20, 20, 60, 60)], (0, 0, 80, 80), 80, 5)
    assert not maps[0].any() and maps[1, 40, 16] == maps[1, 16, 40] == maps[1, 16, 16] == 1 and not maps[1, 20:60, 20:60].any()
    stroke = prompt_maps([Stroke(((10, 40), (70, 40)), False, 2)], (0, 0, 80, 80), 80, 5)
    assert stroke[1, 40, 10:70].all() and stroke[1, 60].sum() == 0 and stroke[0].sum() == 0


@pytest.mark.parametrize(
    ("encoding", "of"),
    [("gaussian", lambda d: np.exp(-((d / 20) ** 2) / 2)), ("distance", lambda d: np.maximum(0, 1 - d / MAX_DISTANCE_PX))],
)
def test_clicks_are_encoded_by_their_distance(encoding, of):
    maps = torch.zeros(1, 3, 128, 128)
    maps[0, :2] = torch.from_numpy(prompt_maps([Click(20, 30), Click(90, 100)], (0, 0, 128, 128), 128, 5))
    maps[0, 2] = torch.rand(128, 128)
    shown = encode_clicks(maps, encoding, 20)
    away = cv2.distanceTransform((F.max_pool2d(maps, 4)[0, 0].numpy() == 0).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    np.testing.assert_allclose(F.avg_pool2d(shown, 4)[0, 0, 1:-1, 1:-1], of(4 * away)[1:-1, 1:-1], atol=0.04)
    assert shown[0, 1].max() == 0 and torch.equal(shown[:, 2], maps[:, 2])  # No negative click; the previous mask is unchanged.
    assert encode_clicks(maps, "disk", 5) is maps


def test_sources_lie_around_the_clicks():
    maps = torch.from_numpy(prompt_maps([Click(8, 8)], (0, 0, 64, 64), 64, 5))[None]
    source = source_maps(maps, 16, 5)
    assert source.shape == (1, 2, 4, 4)
    assert source[0, 0, 0, 0] == source.max() > 0.9 and source[0, 0, 3, 3] == 0 and source[0, 1].sum() == 0
