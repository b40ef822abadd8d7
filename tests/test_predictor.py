"""The predictor: any image size, deterministic predictions, clear errors, and no change outside a crop."""

import numpy as np
import pytest
import torch

from cdwidget.batch import Score
from cdwidget.model import MODELS, load_predictor
from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.focus import Focus, focus_box
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.model.variants import load_variant
from cdwidget.prompts import Box, Click, Stroke


@pytest.fixture(scope="module")
def predictor():
    torch.manual_seed(0)
    return CDNetPredictor(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)))


def photo(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize("shape", [(16, 16), (16, 700), (701, 33), (97, 131), (1300, 900)])
def test_predictions_have_the_size_of_the_image(predictor, shape):
    predictor.set_image(photo(*shape))
    prediction = predictor.predict([Click(shape[1] - 1, 0), Click(0, shape[0] - 1, False)])
    assert prediction.mask.shape == prediction.prob.shape == shape
    assert prediction.mask.dtype == bool and prediction.prob.dtype == np.float32
    assert 0 <= prediction.prob.min() and prediction.prob.max() <= 1
    assert np.array_equal(prediction.mask, prediction.prob > 0.5)
    assert len(prediction.alternatives) == 4 and all(a.shape == shape and a.dtype == bool for a in prediction.alternatives)


def test_predictions_do_not_depend_on_earlier_requests(predictor):
    image, prompts = photo(90, 120), [Click(60, 45), Stroke(((10, 10), (30, 12)), False), Box(40, 30, 80, 60)]
    predictor.set_image(image)
    first = predictor.predict(prompts)
    for x in range(5, 100, 10):
        predictor.predict([Click(x, 20)], first.mask)
    assert np.array_equal(predictor.predict(prompts).prob, first.prob)
    predictor.set_image(photo(90, 120, 1))
    predictor.set_image(image)
    assert np.array_equal(predictor.predict(prompts).prob, first.prob)


def test_a_small_object_is_predicted_in_a_crop_and_other_pixels_keep_their_values(predictor):
    predictor.set_image(photo(400, 600))
    prior = np.zeros((400, 600), np.float32)
    prior[100:140, 200:250] = 0.9
    prior[0, 0] = 0.25  # Not part of the object, but a value to keep.
    prediction = predictor.predict([Click(220, 120), Click(210, 105, False)], prior)
    x0, y0, x1, y1 = prediction.factors.box
    assert x0 <= 200 and y0 <= 100 and x1 >= 250 and y1 >= 140 and (x1 - x0) * (y1 - y0) < 400 * 600 / 4
    outside = np.ones((400, 600), bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(prediction.prob[outside], prior[outside])


def test_a_large_object_is_predicted_in_the_whole_image(predictor):
    predictor.set_image(photo(400, 600))
    prior = np.zeros((400, 600), bool)
    prior[50:350, 50:550] = True
    assert predictor.predict([Click(300, 200)], prior).factors.box == (0, 0, 600, 400)


def test_a_box_prompt_determines_the_first_crop(predictor):
    predictor.set_image(photo(400, 600))
    x0, y0, x1, y1 = predictor.predict([Box(100, 100, 150, 160)]).factors.box
    assert x0 <= 100 and y0 <= 100 and x1 >= 150 and y1 >= 160 and x1 - x0 < 300


def test_a_second_pass_runs_only_after_a_large_change(predictor):
    once = CDNetPredictor(predictor.model, zoom_in=False, cascade=False, focus=None)
    twice = CDNetPredictor(predictor.model, zoom_in=False, focus=None)
    for one in (once, twice):
        one.set_image(photo(32, 32))  # The size of the PDM grid, so that nothing is resized.
    prompts = [Click(16, 16)]
    first = once.predict(prompts)
    again = once.predict(prompts, first.prob)
    assert first.mask.any() and not np.array_equal(first.prob, again.prob)
    both = twice.predict(prompts)
    assert np.allclose(both.prob, again.prob, atol=1e-6)  # Without the latent heads, the last bit may differ.
    assert np.array_equal(both.alternatives, first.alternatives), "alternatives come from the first pass"
    assert np.allclose(both.factors.logits[0], again.factors.logits[0], atol=1e-5)
    assert np.array_equal(both.factors.logits[1:], first.factors.logits[1:])
    near, prediction = first.mask, once.predict(prompts, first.mask)
    while np.count_nonzero(prediction.mask ^ near) > 0.03 * near.sum():
        near, prediction = prediction.mask, once.predict(prompts, prediction.mask)
    assert np.allclose(twice.predict(prompts, near.astype(np.float32)).prob, prediction.prob, atol=1e-6)
    far = np.zeros((32, 32), bool)
    far[:3] = True
    assert np.array_equal(twice.predict(prompts, far).prob, once.predict(prompts, far).prob), "no second pass for a hard prior"
    assert not np.array_equal(twice.predict(prompts, far.astype(np.float32)).prob, once.predict(prompts, far).prob)


@pytest.mark.parametrize(
    "prompts, prior, complaint",
    [
        ([], None, "no prompts"),
        ([Click(50, 40)], None, "0 <= x < 50"),
        ([Click(-1, 3)], None, "outside the image"),
        ([Click(float("nan"), 3)], None, "outside the image"),
        ([Box(3, 3, 3, 9)], None, "does not fit"),
        ([Stroke(())], None, "no points"),
        ([Click(3, 3)], np.zeros((3, 3)), "the prior is"),
    ],
)
def test_an_invalid_request_is_refused_and_changes_nothing(predictor, prompts, prior, complaint):
    predictor.set_image(photo(40, 50))
    before = predictor.predict([Click(20, 20)]).prob
    with pytest.raises(ValueError, match=complaint):
        predictor.predict(prompts, prior)
    assert np.array_equal(predictor.predict([Click(20, 20)]).prob, before)


@pytest.mark.parametrize("image", [np.zeros((40, 40)), np.zeros((40, 40), np.uint8), np.zeros((8, 40, 3), np.uint8), "photo.jpg", None])
def test_an_invalid_image_is_refused_and_the_previous_one_stays(predictor, image):
    predictor.set_image(photo(40, 50))
    before = predictor.predict([Click(20, 20)]).prob
    with pytest.raises(ValueError, match="the image is"):
        predictor.set_image(image)
    assert np.array_equal(predictor.predict([Click(20, 20)]).prob, before)


def test_predict_needs_an_image():
    with pytest.raises(ValueError, match="set_image first"):
        CDNetPredictor(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32))).predict([Click(1, 1)])


def test_an_unknown_model_name_lists_the_known_ones():
    with pytest.raises(ValueError, match="did you mean 'cdnet-tiny'.*there are: cdnet-lite, cdnet-tiny"):
        load_predictor("cdnet-tyni")


@pytest.mark.parametrize("name", MODELS)
def test_the_shipped_weights_find_the_coffee_cup_with_one_click(name):
    from skimage.data import coffee

    predictor = load_predictor(name)
    image = coffee()  # (400, 600): a cup on its saucer fills the middle
    predictor.set_image(image)
    mask = predictor.predict([Click(300, 200)]).mask
    assert mask[200, 300] and not mask[10, 10] and not mask[390, 590]
    assert 0.05 < mask.mean() < 0.7


def test_the_small_model_is_small():
    assert MODELS["cdnet-lite"].stat().st_size <= 4_000_000


def test_alternatives_come_with_the_highest_predicted_iou_first(monkeypatch):
    torch.manual_seed(0)
    predictor = CDNetPredictor(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32, quality=True)), zoom_in=False)
    predictor.set_image(photo(64, 64))
    masks = predictor.predict([Click(32, 32)]).alternatives
    forward = CDNet.forward

    def reversed_quality(*arguments):
        output = forward(*arguments)
        return output._replace(quality=-output.quality) if output.quality is not None else output

    monkeypatch.setattr(CDNet, "forward", reversed_quality)
    backwards = predictor.predict([Click(32, 32)]).alternatives
    assert len(masks) == 4 and all(np.array_equal(a, b) for a, b in zip(masks, reversed(backwards)))
    assert not all(np.array_equal(a, b) for a, b in zip(masks, backwards))


def test_a_twin_has_its_own_image():
    torch.manual_seed(0)
    predictor = CDNetPredictor(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)))
    predictor.set_image(photo(64, 64))
    before = predictor.predict([Click(32, 32)])
    twin = predictor.twin()
    with pytest.raises(ValueError, match="no image yet"):
        twin.predict([Click(32, 32)])
    twin.set_image(photo(64, 96)[::-1].copy())
    assert twin.model is predictor.model and twin.predict([Click(90, 32)]).mask.shape == (64, 96)
    assert np.array_equal(predictor.predict([Click(32, 32)]).prob, before.prob)


def square_prior(side=200):
    prior = np.zeros((400, 600), np.float32)
    prior[100 : 100 + side, 200 : 200 + side] = 1
    return prior


def with_and_without_focus(model):
    predictors = CDNetPredictor(model, cascade=False), CDNetPredictor(model, cascade=False, focus=None)
    for one in predictors:
        one.set_image(photo(400, 600))
    return predictors


def test_a_correction_is_predicted_once_more_in_a_focus_view_and_pixels_outside_keep_their_values(predictor, monkeypatch):
    focused, plain = with_and_without_focus(predictor.model)
    x0, y0, x1, y1 = box = (190, 90, 254, 154)  # The random weights of this network would change the whole image.
    monkeypatch.setattr("cdwidget.model.predictor.focus_box", lambda *_: box)
    prompts, prior = [Click(300, 200), Click(210, 105, False)], square_prior()
    closer, usual = focused.predict(prompts, prior), plain.predict(prompts, prior)
    outside = np.ones((400, 600), bool)
    outside[y0:y1, x0:x1] = False
    assert np.array_equal(closer.prob[outside], usual.prob[outside]) and not np.array_equal(closer.prob, usual.prob)
    assert np.array_equal(closer.mask, closer.prob > 0.5)
    assert closer.factors.focus.box == box and closer.factors.box == usual.factors.box and usual.factors.focus is None
    assert np.array_equal(focused.predict(prompts, prior).prob, closer.prob)


def test_scores_are_computed_with_one_forward_pass_as_they_were_fitted():
    predictor = load_variant(Score().model)
    assert predictor.focus is None and not predictor.cascade


def test_a_focus_view_is_encoded_once(predictor, monkeypatch):
    focused, _ = with_and_without_focus(predictor.model)
    monkeypatch.setattr("cdwidget.model.predictor.focus_box", lambda *_: (190, 90, 254, 154))
    encoded = []
    encode = CDNet.encode
    monkeypatch.setattr(focused._focus_views, "_encode", lambda image: encoded.append(image) or encode(predictor.model, image))
    for x in (210, 220, 230):
        focused.predict([Click(300, 200), Click(x, 105, False)], square_prior())
    assert len(encoded) == 1
    focused.set_image(photo(400, 600, 1))
    focused.predict([Click(300, 200), Click(210, 105, False)], square_prior())
    assert len(encoded) == 2, "a new image has new views"


@pytest.mark.parametrize(
    ("prompts", "prior"),
    [
        ([Click(300, 200)], None),
        ([Click(300, 200)], square_prior() * 0),
        ([Click(210, 105, False)], square_prior() > 0.5),
        ([Box(150, 50, 450, 350)], square_prior()),
    ],
    ids=["no mask", "empty mask", "edited mask", "box"],
)
def test_only_corrections_of_a_mask_that_the_model_has_drawn_have_a_focus_view(predictor, monkeypatch, prompts, prior):
    focused, plain = with_and_without_focus(predictor.model)
    if not isinstance(prompts[-1], Box):
        monkeypatch.setattr("cdwidget.model.predictor.focus_box", lambda *_: (190, 90, 254, 154))
    prediction = focused.predict(prompts, prior)
    assert prediction.factors.focus is None and np.array_equal(prediction.prob, plain.predict(prompts, prior).prob)


@pytest.mark.parametrize("prompt", [Click(210, 105, False), Stroke(((210, 105), (240, 108)), False, 3)])
def test_the_focus_view_holds_the_prompt_and_the_component_that_it_changes(prompt):
    before = square_prior() > 0.5
    after = before.copy()
    after[100:120, 200:260] = False  # at the prompt
    after[280:300, 380:400] = False  # elsewhere
    assert focus_box(before, after, prompt, Focus(expansion=1.5), 224, 0.5) == (185, 65, 275, 155)


def test_a_change_of_most_of_the_object_and_a_view_that_magnifies_too_little_have_no_focus_view():
    before = square_prior() > 0.5
    click = Click(210, 105, False)
    assert focus_box(before, np.zeros_like(before), click, Focus(), 224, 0.5) is None
    assert focus_box(before, before, click, Focus(), 224, 2.7) is not None  # 224 view px for 64 image px are 3.5 per px
    assert focus_box(before, before, click, Focus(), 224, 2.9) is None
