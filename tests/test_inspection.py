"""Every map of the inspection equals a dense reference: the whole matrix, or the code of the model."""

from __future__ import annotations

import tracemalloc
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cdwidget import inspection
from cdwidget.inspection import (
    OFFSETS,
    Affinity,
    PixelDiffusion,
    View,
    click_influence,
    diagnose,
    focus_change,
    head_disagreement,
    head_probabilities,
    relative_change,
)
from cdwidget.inspection import view as numpy_pdm
from cdwidget.model import fdm, pdm
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.predictor import Factors, FocusFactors
from cdwidget.prompts import Click
from cdwidget.session import PromptResult, Session

KINDS = ("log", "v1", "v3")
BRANCHES = ("foreground", "background")


def factors_of(rows: int, columns: int, channels: int = 8, variant: str = "log", seed: int = 0, side: int = 16, **changes: Any) -> Factors:
    """Return the factors that FDM records on random features and clicks, with a random view for PDM."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    module = fdm.FDM(channels, variant).eval()
    x = torch.randn(1, channels, rows, columns) * 2
    clicks = torch.rand(1, 2, rows, columns) * (torch.rand(1, 2, rows, columns) > 0.7)
    with torch.no_grad():
        _, gate, f = module(x, clicks)
    assert f is not None
    seeds = np.zeros((side, side), np.float32)
    seeds[rng.integers(side), rng.integers(side)], seeds[rng.integers(side), rng.integers(side)] = 1, -1
    values = {
        "box": (0, 0, 40, 30),
        "grid": (rows, columns),
        "q": f.q[0].numpy(),
        "k": f.k[0].numpy(),
        "v": f.v[0].numpy(),
        "clicks": f.clicks[0].numpy(),
        "source": f.source[0].numpy(),
        "destination": f.destination[0].numpy(),
        "gate": gate.sigmoid()[0, 0].numpy(),
        "variant": variant,
        "features": x[0].flatten(1).T.numpy(),
        "added": torch.stack([part[0].flatten(1).T for part in f.added]).numpy(),
        "logits": rng.normal(0, 1, (5, side // 2, side // 2)).astype(np.float32),
        "pixels": rng.integers(0, 256, (2 * side, 2 * side, 3), dtype=np.uint8),
        "seeds": seeds,
        "pdm_steps": 4,
    }
    return Factors(**{**values, **changes})


def dense(f: Factors, kind: str, branch: int | None) -> np.ndarray:
    """Return the whole affinity matrix in float64, from the formula."""
    raw = f.q.astype(np.float64) @ f.k.T.astype(np.float64)
    gate = np.stack([f.gate.reshape(-1), 1 - f.gate.reshape(-1)])
    source, destination = f.clicks.astype(np.float64), gate
    if kind == "v1":
        source, destination = 0.9 * source + 0.1, 0.9 * gate + 0.1
    elif kind == "v3":
        source = np.minimum(source + (gate > 0.8), 1)
    if kind == "log":
        raw = raw / np.sqrt(f.q.shape[1])
    if branch is None:
        weight = np.exp(raw - raw.max(1, keepdims=True))
    elif kind == "log":
        weight = np.exp(raw - raw.max(1, keepdims=True)) * (source[branch] + fdm.MIN_SOURCE)
    else:
        raw = raw * source[branch]
        weight = np.exp(raw - raw.max(1, keepdims=True))
    share = weight / weight.sum(1, keepdims=True)
    return share if branch is None else share * destination[branch][:, None]


grids = st.tuples(st.integers(1, 9), st.integers(1, 9))


@settings(max_examples=25)
@given(grid=grids, kind=st.sampled_from(KINDS), recorded=st.sampled_from(KINDS), seed=st.integers(0, 99))
def test_rows_and_columns_equal_the_whole_matrix(grid: tuple[int, int], kind: str, recorded: str, seed: int) -> None:
    f = factors_of(*grid, variant=recorded, seed=seed)
    affinity = Affinity(f, kind)
    for number, branch in ((None, None), (0, "foreground"), (1, "background")):
        matrix = dense(f, kind, number)
        for token in {0, grid[0] * grid[1] // 2, grid[0] * grid[1] - 1}:
            row, column = affinity.row(token, branch), affinity.column(token, branch)
            assert row.shape == column.shape == grid
            np.testing.assert_allclose(row.reshape(-1), matrix[token], atol=1e-5)
            np.testing.assert_allclose(column.reshape(-1), matrix[:, token], atol=1e-5)
        together = np.arange(0, grid[0] * grid[1], 2)
        np.testing.assert_allclose(affinity.column(together, branch).reshape(-1), matrix[:, together].sum(1), atol=1e-5)


@pytest.mark.parametrize("variant", KINDS)
def test_sources_and_destinations_are_the_recorded_ones(variant: str) -> None:
    f = factors_of(5, 7, variant=variant)
    for number, branch in enumerate(BRANCHES):
        np.testing.assert_allclose(Affinity(f).source(branch).reshape(-1), f.source[number], atol=1e-6)
        np.testing.assert_allclose(Affinity(f).destination(branch).reshape(-1), f.destination[number], atol=1e-6)


@pytest.mark.parametrize("variant", KINDS)
def test_rows_times_values_equal_the_recorded_change(variant: str) -> None:
    """The rebuilt matrix is the model's: A V through the projection of the branch equals the recorded change."""
    f = factors_of(4, 5, variant=variant, seed=3)
    torch.manual_seed(3)
    module = fdm.FDM(8, variant).eval()
    affinity = Affinity(f)
    for number, branch in enumerate(BRANCHES):
        y = np.stack([affinity.row(token, branch).reshape(-1) @ f.v for token in range(20)])
        with torch.no_grad():
            z = module.z[number](torch.from_numpy(y.T.reshape(1, 8, 4, 5)))[0].flatten(1).T.numpy()
        np.testing.assert_allclose(z, f.added[number], atol=1e-5)
        expected = np.linalg.norm(z, axis=1) / np.linalg.norm(f.features, axis=1)
        np.testing.assert_allclose(relative_change(f, branch).reshape(-1), expected, atol=1e-4)
    both = np.linalg.norm(f.added[0] + f.added[1], axis=1) / np.linalg.norm(f.features, axis=1)
    np.testing.assert_allclose(relative_change(f).reshape(-1), both, atol=1e-5)


def test_unknown_names_list_the_choices() -> None:
    f = factors_of(2, 2)
    with pytest.raises(ValueError, match="log, v1, v3"):
        Affinity(f, "v2")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="foreground, background"):
        Affinity(f).row(0, "front")  # type: ignore[arg-type]


def test_memory_stays_below_half_of_the_matrix() -> None:
    f = factors_of(48, 48, channels=16)
    matrix = 4 * (48 * 48) ** 2  # 21 MB
    tracemalloc.start()
    affinity = Affinity(f)
    affinity.row(7, "foreground")
    affinity.column(7, "foreground")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < matrix / 2


@settings(max_examples=15)
@given(side=st.sampled_from([4, 10, 18]), scale=st.sampled_from([0.3, 1.0, 6.0]), steps=st.integers(0, 6), seed=st.integers(0, 99))
def test_pixel_diffusion_equals_the_model(side: int, scale: float, steps: int, seed: int) -> None:
    f = factors_of(2, 2, seed=seed, side=side)
    f = Factors(**{**vars(f), "logits": f.logits * np.float32(scale)})
    diffusion = PixelDiffusion(f)
    image = torch.nn.functional.avg_pool2d(torch.from_numpy(f.pixels).permute(2, 0, 1)[None].float() / 255, 2)[0]
    logits = torch.nn.functional.interpolate(torch.from_numpy(f.logits[:1])[None], size=(side, side), mode="bilinear")[0, 0]
    expected = pdm.diffuse(logits, torch.from_numpy(f.seeds), pdm.Affinity(image), steps).numpy()
    np.testing.assert_allclose(diffusion.step(steps), expected, rtol=1e-4, atol=1e-4)
    weights = pdm.Affinity(image).weights(torch.arange(side * side)).numpy().reshape(side, side, 32)
    np.testing.assert_allclose(diffusion.neighbor_weights(side - 1, 1), weights[1, side - 1], atol=1e-5)
    np.testing.assert_allclose(diffusion.neighbor_weights(0, side // 2).sum(), 1, atol=1e-6)


def test_both_pixel_diffusions_have_the_same_constants() -> None:
    for name in ("RING_RADII_PX", "OFFSETS", "UNCERTAINTY_THRESHOLD", "MARGIN_PX", "SEED_VALUE"):
        assert getattr(numpy_pdm, name) == getattr(pdm, name)
    assert len(OFFSETS) == 32 and fdm.MIN_SOURCE == 1e-3


def test_heads_and_their_disagreement() -> None:
    f = factors_of(2, 2)
    expected = torch.from_numpy(f.logits).sigmoid().numpy()
    np.testing.assert_allclose(head_probabilities(f), expected, atol=1e-6)
    np.testing.assert_allclose(head_disagreement(f), expected[1:].max(0) - expected[1:].min(0), atol=1e-6)
    alone = Factors(**{**vars(f), "logits": f.logits[:1]})
    assert not head_disagreement(alone).any()


def test_the_change_by_the_focus_view_is_probability_minus_prior() -> None:
    f = factors_of(3, 4)
    assert not focus_change(f).any()
    focus = FocusFactors((1, 2, 5, 6), np.zeros((8, 8, 3), np.uint8), np.full((8, 8), 0.25, np.float32), np.full((4, 4), 0.5, np.float32))
    np.testing.assert_allclose(focus_change(Factors(**{**vars(f), "focus": focus})), np.full((4, 4), 0.25))


def test_image_points_and_tokens_correspond() -> None:
    view = View((10, 20, 50, 80), (6, 4))
    assert view.token(10, 20) == 0 and view.token(49.9, 79.9) == 23 and view.token(200, -5) == 3
    x, y = view.centers()
    assert [view.token(a, b) for a, b in zip(x.reshape(-1), y.reshape(-1))] == list(range(24))
    mask = np.zeros((100, 60), bool)
    mask[20:30, 10:20] = True
    coverage = view.coverage(mask, 6, 4)
    assert coverage[0, 0] == 1 and coverage.sum() == 1


@pytest.fixture(scope="module")
def small_session() -> Session:
    torch.manual_seed(0)
    model = CDNet(CDNetConfig(backbone="lite0", size=64, channels=32))
    image = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    return Session(image, CDNetPredictor(model, pdm_steps=3))


def test_the_last_step_is_the_prediction(small_session: Session) -> None:
    small_session.apply(Click(30, 30))
    result = small_session.prompt_result()
    assert result is not None and result.factors is not None
    prob = PixelDiffusion(result.factors).prob(result.factors.pdm_steps)
    x0, y0, x1, y1 = result.factors.box
    predicted = cv2.resize(prob, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) > 0.5
    assert (predicted != result.predicted[y0:y1, x0:x1]).mean() < 0.01


# ---- diagnosis: synthetic views with known findings ------------------------------------------------------------


def two_halves(similar: bool, mask_left: bool = True) -> PromptResult:
    """Return the result of a click in the black left half next to a white one, whose tokens are similar or not."""
    grid = (16, 16)
    side = np.repeat([[-1.0] * 8 + [1.0] * 8], 16, axis=0).reshape(-1, 1).astype(np.float32)
    q = np.full((256, 1), 30, np.float32) if similar else 30 * side
    clicks = np.zeros((2, 256), np.float32)
    clicks[0, 8 * 16 + 4] = 1
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, 32:] = 255
    base = factors_of(16, 16)
    gate = np.full(grid, 0.9, np.float32)
    changes = {
        "q": q,
        "k": side if not similar else np.ones_like(q),
        "clicks": clicks,
        "gate": gate,
        "pixels": pixels,
        "box": (0, 0, 160, 160),
    }
    mask = np.zeros((160, 160), bool)
    mask[:, :80] = mask_left
    return PromptResult((Click(45, 85),), np.zeros_like(mask), mask, mask, Factors(**{**vars(base), **changes}))


def finding(result: PromptResult, name: str) -> Any:
    return next(found for found in diagnose(result) if found.name == name)


def test_influence_beyond_a_strong_edge_is_over_generalization() -> None:
    wrong, right = finding(two_halves(similar=True), "over-generalization"), finding(two_halves(similar=False), "over-generalization")
    assert wrong.wrong and 0.4 < wrong.value < 0.6 and "%" in wrong.text
    assert not right.wrong and right.value < 0.05


def test_influence_near_the_click_is_under_generalization() -> None:
    result = two_halves(similar=True)
    assert result.factors is not None
    assert not finding(result, "under-generalization").wrong
    gate = np.full((16, 16), 0.001, np.float32)
    gate[7:10, 3:6] = 1
    near = PromptResult(result.prompts, result.before, result.predicted, result.after, Factors(**{**vars(result.factors), "gate": gate}))
    assert finding(near, "under-generalization").wrong and "click 1" in finding(near, "under-generalization").text


def test_a_negative_click_that_the_model_ignores() -> None:
    result = two_halves(similar=True)
    for x, wrong in ((20, True), (140, False)):
        prompts = (*result.prompts, Click(x, 85, False))
        found = finding(PromptResult(prompts, result.before, result.predicted, result.after, result.factors), "negative click")
        assert found.wrong == wrong and "click 2" in found.text


def test_click_influence_is_the_sum_of_its_columns() -> None:
    result = two_halves(similar=True)
    assert result.factors is not None
    matrix = dense(result.factors, "log", 0)
    np.testing.assert_allclose(click_influence(result.factors, Click(45, 85)).reshape(-1), matrix[:, 8 * 16 + 4], atol=1e-5)
    assert diagnose(PromptResult((), result.before, result.predicted, result.after, None)) == []


@pytest.mark.parametrize("name", ["Kind", "added", "disagreement", "given", "heads"])
def test_deprecated_functions_still_work(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"cdwidget.inspection.{name}"):
        assert getattr(inspection, name) is not None


def test_deprecated_methods_still_work() -> None:
    f, view = factors_of(2, 2), View((10, 20, 50, 80), (6, 4))
    with pytest.warns(DeprecationWarning, match="View.centers"):
        np.testing.assert_equal(view.centres(), view.centers())
    with pytest.warns(DeprecationWarning, match="View.coverage"):
        assert (view.covered(np.ones((100, 60), bool), 6, 4) == 1).all()
    with pytest.warns(DeprecationWarning, match="PixelDiffusion.neighbor_weights"):
        assert PixelDiffusion(f).neighbours(0, 0).shape == (32,)
