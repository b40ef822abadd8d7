"""Back-propagating refinement (BRS), and the inference variants of a network."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from cdwidget.model import MODELS
from cdwidget.model.brs import BRS, FBRS, minimize_click_error
from cdwidget.model.cdnet import CDNet, CDNetConfig, Output
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.model.variants import ABLATIONS, VARIANTS, fingerprint, load_variant, weights_of
from cdwidget.prompts import Click

IMAGE = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
CLICK = Click(24, 30)


def maps_with_click(positive):
    maps = torch.zeros(1, 3, 8, 8)
    maps[0, 0 if positive else 1, 2:4, 2:4] = 1
    return maps


def test_the_search_changes_only_clicked_pixels():
    base = torch.full((1, 1, 4, 4), -2.0)
    changes = []

    def predict(change):
        changes.append(change)
        return Output(base + change, None, None, None)

    logits = minimize_click_error(Output(base, None, None, None), predict, base.shape, maps_with_click(True)).logits
    assert logits[0, 0, 1, 1] > 0 and len(changes) < 20
    others = torch.ones(4, 4, dtype=torch.bool)
    others[1, 1] = False
    assert torch.equal(logits[0, 0][others], base[0, 0][others])


def test_a_prediction_that_agrees_with_the_clicks_is_not_changed():
    plain = Output(torch.full((1, 1, 4, 4), -2.0), None, None, None)
    assert (
        minimize_click_error(
            plain, lambda change: pytest.fail("the network must not run again"), torch.Size((1, 1, 4, 4)), maps_with_click(False)
        )
        is plain
    )


def confident_network(backbone):
    """Return an untrained network whose probabilities are far from 0.5."""
    torch.manual_seed(3)
    network = CDNet(CDNetConfig(backbone=backbone, size=64, channels=32)).eval()
    with torch.no_grad():
        network.heads[-1].weight *= 100
        network.heads[-1].bias.zero_()
    return network


@pytest.mark.parametrize(("kind", "backbone"), [(BRS, "tinyvit"), (FBRS, "resnet34"), (FBRS, "tinyvit")])
def test_the_refined_prediction_follows_a_click_that_it_contradicted(kind, backbone):
    network = confident_network(backbone)
    plain, refined = CDNetPredictor(network, zoom_in=False, pdm_steps=0), kind(network, zoom_in=False, pdm_steps=0)
    plain.set_image(IMAGE)
    refined.set_image(IMAGE)
    click = replace(CLICK, positive=not plain.predict([CLICK]).mask[CLICK.pixel])
    parts = dict(network.named_modules())
    before, after = plain.predict([click]).prob[click.pixel], refined.predict([click]).prob[click.pixel]
    assert (before > 0.5) != click.positive, "the plain network follows the click: choose another pixel"
    assert after > before + 0.01 if click.positive else after < before - 0.01
    assert dict(network.named_modules()) == parts and not any(p.grad is not None for p in network.parameters())


def test_every_variant_predicts():
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), np.uint8)
    network = confident_network("resnet34")
    probs = {}
    for name, build in VARIANTS.items():
        predictor = build(network)
        predictor.set_image(image)
        prior = np.zeros((40, 50), np.float32)
        prior[10:16, 10:16] = 1
        probs[name] = predictor.predict([Click(12, 12), Click(30, 30, False)], prior).prob
        assert probs[name].shape == (40, 50)
    for other in ("flip", "pdm-0", "no-previous-mask", "zoom-off"):
        assert not np.array_equal(probs["pdm-10"], probs[other]), other
    assert np.array_equal(probs["pdm-10"], probs["zoom-2.0"])  # both are the defaults
    assert set(ABLATIONS) < set(VARIANTS)


def test_names_of_variants():
    assert weights_of("cdnet") == weights_of("cdnet-tiny@brs") == MODELS["cdnet-tiny"]
    assert fingerprint("cdnet") != fingerprint("cdnet@brs") and fingerprint("cdnet@brs") == fingerprint("cdnet-tiny@brs")
    with pytest.raises(ValueError, match="did you mean 'f-brs-b'"):
        load_variant("cdnet@f-brs")
