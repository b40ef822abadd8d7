"""The critic: what it says of good and of wrong masks, and its training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from cdwidget.model.quality import CDNetCritic, load_critic, view_of
from cdwidget.train.quality import CRITIC, Lessons, train_critic

HEIGHT, WIDTH = 240, 320
ROWS, COLUMNS = np.ogrid[:HEIGHT, :WIDTH]


def disk(x: float = 160, y: float = 120, radius: float = 60) -> np.ndarray:
    return (COLUMNS - x) ** 2 + (ROWS - y) ** 2 <= radius**2


def picture(truth: np.ndarray) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 8, (*truth.shape, 3))
    return np.clip(np.where(truth[..., None], (200, 120, 50), (60, 100, 140)) + noise, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def critic() -> CDNetCritic:
    return load_critic()


@pytest.mark.parametrize("radius", [60, 15])
def test_a_wrong_mask_is_told_from_a_good_one_and_where_it_is_wrong(critic: CDNetCritic, radius: int) -> None:
    truth = disk(radius=radius)
    shifted = disk(160 + 0.6 * radius, radius=radius)
    critic.set_image(picture(truth))
    good, wrong = critic.judge(truth), critic.judge(shifted)
    assert wrong.iou < good.iou - 0.2 and wrong.good < good.good - 0.5
    assert wrong.missed[truth & ~shifted].mean() > 3 * wrong.missed[~truth & ~shifted].mean()
    assert wrong.taken[shifted & ~truth].mean() > 3 * wrong.taken[shifted & truth].mean()
    assert not wrong.missed[shifted].any() and not wrong.taken[~shifted].any()
    assert critic.judge(shifted).iou == wrong.iou, "the same every time"


@pytest.mark.parametrize("mask", [disk(2, 2, 1), disk(radius=400), disk(radius=0), (ROWS == 7) & (COLUMNS >= 0)])
def test_any_mask_can_be_judged_beside_any_others(critic: CDNetCritic, mask: np.ndarray) -> None:
    critic.set_image(picture(disk()))
    judgement = critic.judge(mask, [disk(), mask, ~mask])
    assert 0 <= judgement.iou <= 1 and 0 <= judgement.good <= 1
    for shares in (judgement.missed, judgement.taken):
        assert shares.shape == mask.shape and shares.dtype == np.float32 and 0 <= shares.min() <= shares.max() <= 1


def test_what_looks_alike_lies_near_each_other(critic: CDNetCritic) -> None:
    truth = disk()
    critic.set_image(picture(truth))
    part, other_part, outside, pixel = (
        critic.look(one) for one in (truth & (COLUMNS < 150), truth & (COLUMNS > 170), ~truth, disk(radius=0))
    )
    assert part.shape == (256,) and part.dtype == np.float32 and np.isfinite(pixel).all()
    assert np.linalg.norm(part - other_part) < 0.7 * np.linalg.norm(part - outside)


def test_a_small_mask_is_looked_at_in_a_view_of_its_own() -> None:
    x0, y0, x1, y1 = view_of(disk(300, 20, 15))
    assert 0 <= x0 < 285 and x1 == WIDTH and y0 == 0 and 35 < y1 < HEIGHT
    assert view_of(disk(radius=100)) == (0, 0, WIDTH, HEIGHT)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of eight images, each with a large coin and a small one."""
    folder = tmp_path / "coins"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for number in range(8):
        labels = disk(140 + 5 * number) + 2 * disk(290, 40, 20)
        Image.fromarray(picture(labels > 0)).save(folder / "images" / f"{number}.png")
        Image.fromarray(labels.astype(np.uint8)).save(folder / "masks" / f"{number}.png")
    return folder


def test_a_lesson_shows_each_mask_as_it_will_be_seen(folder: Path) -> None:
    lessons = Lessons(replace(CRITIC, masks=6, clean=3), [folder])
    for number in range(6):
        lesson, again = lessons.draw(2, number), lessons.draw(2, number)
        assert (lesson.iou == again.iou).all() and (lesson.maps == again.maps).all(), "the same for the same number"
        assert (lesson.iou[:3] == 1).all() and (lesson.iou[3:] < 1).all()
        for (x0, y0, x1, y1), maps, truth, known in zip(lesson.views, lesson.maps, lesson.truth, lesson.iou):
            mask = maps[2] > 0
            assert mask.any() and (known == 1) == (mask == truth).all()
            inner = (x0 > 0, x1 < WIDTH, y0 > 0, y1 < HEIGHT)
            sides = (mask[:, 0], mask[:, -1], mask[0], mask[-1])
            assert not any(side.any() for side, within in zip(sides, inner) if within), "about the mask, be the object where it may"


def test_a_set_of_specks_is_refused(tmp_path: Path) -> None:
    for name in ("images", "masks"):
        (tmp_path / "specks" / name).mkdir(parents=True)
    for number in range(8):
        Image.fromarray(picture(disk())).save(tmp_path / "specks/images" / f"{number}.png")
        Image.fromarray(disk(radius=2).astype(np.uint8)).save(tmp_path / "specks/masks" / f"{number}.png")
    with pytest.raises(ValueError, match="none of 1000 images has an object that fills 0.3% to 95% of it"):
        Lessons(CRITIC, [tmp_path / "specks"]).draw(0, 0)


def test_a_critic_is_trained_written_and_read_again(folder: Path, tmp_path: Path) -> None:
    recipe = replace(CRITIC, steps=2, images=1, masks=3, clean=1)
    for name in ("first", "second"):
        assert name in train_critic([folder], tmp_path / f"{name}.safetensors", recipe)
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("first", "second"))
    assert first.keys() == second.keys() and all((first[name] == second[name]).all() for name in first), "the same seed, the same weights"
    assert len((tmp_path / "first.jsonl").read_text().splitlines()) == 2
    again = load_critic(tmp_path / "first.safetensors")
    again.set_image(picture(disk()))
    assert again.judge(disk()).iou != 0.5
