"""Which of its own changes a model believes, and that progressive merge leaves out the others."""

import cv2
import numpy as np
import torch

from cdwidget.model.cdnet import CDNet, CDNetConfig
from cdwidget.model.checkpoint import load_checkpoint, save_checkpoint
from cdwidget.model.predictor import CDNetPredictor
from cdwidget.model.trust import MEASURES, Trust, changes
from cdwidget.predictor import Prediction
from cdwidget.prompts import Box, Click
from cdwidget.session import Session
from cdwidget.session.merge import merge
from cdwidget.train.trust import Judged, fit, fit_trust


def test_only_the_changes_round_the_newest_prompt_in_its_direction_are_measured():
    prior, prob, painted = np.zeros((40, 40), np.float32), np.full((40, 40), 0.1, np.float32), np.zeros((40, 40), bool)
    prior[10:20, 10:20] = 1
    prob[10:20, 10:26] = 0.9  # to the right of it
    prob[30:38, 30:38] = 0.9  # far off
    painted[14:17, 22:24] = True
    found = changes(prob, prior, painted, True, 2, 0.0)
    assert found.measures.shape == (60, MEASURES) and np.isfinite(found.measures).all()
    assert found.pixels[10:20, 20:26].all() and found.pixels.sum() == 60
    assert not changes(prob, prior, painted, False, 2, 0.0).pixels.any()


def test_a_new_one_believes_all_and_a_fitted_one_what_is_right():
    generator = np.random.default_rng(0)
    measures = generator.normal(size=(4000, MEASURES)).astype(np.float32)
    right = measures[:, 0] - measures[:, 1] > 0
    assert (Trust()(torch.from_numpy(measures)).sigmoid() > 0.9).all()
    trust = fit([Judged(measures[i::40], right[i::40], 1.0) for i in range(40)], seed=0)
    assert (((trust(torch.from_numpy(measures)) > 0).numpy() == right).mean()) > 0.95


def test_what_is_not_believed_stays_out_of_the_merge():
    image, mask, answer = np.zeros((60, 60, 3), np.uint8), np.zeros((60, 60), bool), np.zeros((60, 60), bool)
    mask[20:40, 5:20] = True
    answer[20:40, 5:50] = True
    believed = np.zeros((60, 60), bool)
    believed[:, :35] = True
    done = merge(image, mask, answer, Click(25, 30), (), believed=believed)
    x0, y0, x1, y1 = done.bbox
    assert (x0, y0, x1, y1) == (20, 20, 35, 40) and done.where.all()


def test_a_session_takes_only_what_the_predictor_believes():
    class Doubting:
        def set_image(self, image):
            self.shape = image.shape[:2]

        def predict(self, prompts, prior=None):
            mask = np.zeros(self.shape, bool)
            mask[10:30, : 20 * len(prompts)] = True
            believed = None if prior is None else np.arange(self.shape[1])[None] < np.full((self.shape[0], 1), 30)
            return Prediction(mask, mask.astype(np.float32), believed=believed)

    session = Session(np.zeros((40, 80, 3), np.uint8), Doubting())
    session.apply(Click(10, 20))
    assert session.mask.sum() == 20 * 20
    session.apply(Click(25, 20))
    assert session.mask.sum() == 20 * 30
    session.undo()
    session.progressive = False
    session.apply(Click(25, 20))
    assert session.mask.sum() == 20 * 40


def test_the_predictor_judges_changes_of_a_given_mask_alone(tmp_path):
    torch.manual_seed(0)
    model = CDNet(CDNetConfig(backbone="lite0", size=64, channels=32, trust=True))
    save_checkpoint(tmp_path / "m.safetensors", model)
    predictor = CDNetPredictor(load_checkpoint(tmp_path / "m.safetensors"))
    image = np.random.default_rng(0).integers(0, 255, (80, 100, 3), np.uint8)
    predictor.set_image(image)
    prior = np.zeros((80, 100), bool)
    prior[20:60, 20:60] = True
    assert predictor.predict([Click(40, 40)]).believed is None
    assert predictor.predict([Box(20, 20, 60, 60)], prior).believed is None
    asked = predictor.predict([Click(70, 40)], prior)
    assert asked.believed is not None and asked.believed.shape == (80, 100) and asked.believed.dtype == bool
    plain = predictor.predict([Click(70, 40)], prior.astype(np.float32))
    assert np.array_equal(plain.mask, plain.prob > 0.5)  # the answer itself is not touched


def test_it_is_fitted_by_clicks_on_training_images(tmp_path):
    for part in ("images", "masks"):
        (tmp_path / "set" / part).mkdir(parents=True)
    for i in range(12):
        mask = cv2.ellipse(np.zeros((60, 80), np.uint8), (30 + i, 30), (18, 14), 0, 0, 360, 255, -1)
        image = np.random.default_rng(i).integers(0, 90, (60, 80, 3), np.uint8) + mask[..., None] // 2
        cv2.imwrite(str(tmp_path / "set" / "images" / f"{i}.png"), image)
        cv2.imwrite(str(tmp_path / "set" / "masks" / f"{i}.png"), mask)
    torch.manual_seed(0)
    out = tmp_path / "fitted.safetensors"
    said = fit_trust(CDNet(CDNetConfig(backbone="lite0", size=64, channels=32)), [tmp_path / "set"], out, objects=8)
    assert "of the changes are right" in said
    fitted = load_checkpoint(out)
    assert fitted.config.trust and fitted.trust is not None and float(fitted.trust.scale.std()) > 0
