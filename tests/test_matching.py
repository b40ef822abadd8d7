"""The matcher: sampling of tokens, matches, and training."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from cdwidget.formats.dataset_folders import DatasetImage, is_held_out, read_dataset
from cdwidget.formats.map_classes import MapClasses
from cdwidget.model import matching
from cdwidget.model.matching import (
    grid_size,
    load_matcher,
    merge_templates,
    sample_grid,
    sample_template,
)
from cdwidget.model.view import ViewCache
from cdwidget.predictor import Template
from cdwidget.train.matcher_views import EncodedView, ViewEncoder
from cdwidget.train.matching import Matcher, MatcherDataset, MatcherRecipe, ViewSet, init_output, matcher_loss, train_matcher
from support.token_predictor import SQUARE_PX, BrightPredictor, bright_squares

CORNERS = [(8, 8), (40, 12), (20, 40)]


def test_a_template_holds_the_tokens_of_the_cells_at_its_place() -> None:
    level = torch.arange(16.0).repeat(3, 16, 1)  # Each token holds its column.
    (grid,) = sample_grid([level], 8, 4)
    assert grid.shape == (3, 4, 8)
    assert grid[0, 0].tolist() == pytest.approx([0.5 + 2 * i for i in range(8)])  # the mean of two tokens each
    (template,) = sample_template([level], (0.25, 0.25, 0.75, 0.75))
    assert template[0, 0].tolist() == pytest.approx([2.5, 4.5, 6.5, 8.5, 10.5, 12.5])  # two tokens a cell, one cell around the example


@pytest.mark.parametrize(("sides", "expected"), [((0.1, 0.05), (40, 80)), ((1.0, 0.001), (6, 128))])
def test_a_cell_is_a_quarter_of_the_example_within_bounds(sides: tuple[float, float], expected: tuple[int, int]) -> None:
    assert grid_size(*sides) == expected


def test_the_shipped_matcher_finds_equal_squares_with_their_boxes() -> None:
    predictor = BrightPredictor()
    predictor.set_image(bright_squares(CORNERS))
    tokens = predictor.tokens((0, 0, 64, 64))
    left, top = CORNERS[0]
    found = tokens.matches([tokens.template((left, top, left + SQUARE_PX, top + SQUARE_PX))])
    sure = sorted(one.box for one in found if one.probability > 0.5)
    expected = sorted((x, y, x + SQUARE_PX, y + SQUARE_PX) for x, y in CORNERS)
    assert sure == [pytest.approx(box, abs=4) for box in expected]
    assert [one.probability for one in found] == sorted((one.probability for one in found), reverse=True)


def test_examples_of_similar_size_share_a_template() -> None:
    sizes = [(10, 20), (40, 40), (11, 22), (42, 38), (41, 41)]
    templates = [Template([np.full((2, 6, 6), float(i))], *size) for i, size in enumerate(sizes)]
    large, small = merge_templates(templates)
    assert (large.width, large.height) == pytest.approx((41, 119 / 3)) and (small.width, small.height) == pytest.approx((10.5, 21))
    assert large.levels[0][0, 0, 0] == pytest.approx(8 / 3) and small.levels[0][0, 0, 0] == pytest.approx(1)


def test_the_weights_survive_saving(tmp_path: Path) -> None:
    matching.save_matcher(load_matcher(), tmp_path / "copy.safetensors", {})
    copy = load_matcher(tmp_path / "copy.safetensors").state_dict()
    assert all(torch.equal(value, copy[name]) for name, value in load_matcher().state_dict().items())


def levels_of(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Encode an image (1, 3, S, S) as its colors at three scales."""
    return tuple(torch.nn.functional.avg_pool2d(torch.cat([image, 1 - image], 1), step) for step in (2, 4, 8))


@pytest.fixture
def encoder(tmp_path: Path) -> ViewEncoder:
    return ViewEncoder(ViewCache(levels_of, 64, torch.device("cpu")), tmp_path / "views")


@pytest.fixture
def squares(tmp_path: Path) -> Path:
    """A data set of one class: label maps of bright squares."""
    folder = tmp_path / "Squares"
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True)
    for i in range(2):
        image = bright_squares(CORNERS)
        values = np.zeros((64, 64), np.uint8)
        for number, (x, y) in enumerate(CORNERS, 1):
            values[y : y + SQUARE_PX, x : x + SQUARE_PX] = number
        Image.fromarray(image).save(folder / "images" / f"{i}.png")
        Image.fromarray(values).save(folder / "masks" / f"{i}.png")
    return folder


def test_a_new_matcher_learns_from_drawn_samples(squares: Path, encoder: ViewEncoder) -> None:
    assert not any(is_held_out(source) for source in read_dataset(squares))
    recipe = MatcherRecipe({"Squares": 1.0}, crop=16)
    dataset = MatcherDataset(recipe, [squares], encoder)
    batch = [dataset.draw() for _ in range(4)]
    sample = batch[0]
    assert sample.heat.shape == sample.weight.shape == (16, 16) and sample.boxes.shape == (4, 16, 16)
    assert max(float(one.heat.max()) for one in batch) == 1
    assert any((one.weight == 0).any() for one in batch), "the example itself is not to be found"
    torch.manual_seed(0)
    network = Matcher()
    init_output(network)
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    losses = []
    for _ in range(12):
        loss = matcher_loss(network, batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert min(losses) < 0.8 * losses[0]


def test_a_run_writes_weights_that_load(squares: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cdnet = SimpleNamespace(encode=levels_of, config=SimpleNamespace(size=64))
    monkeypatch.setattr("cdwidget.train.matching.load_checkpoint", lambda path: SimpleNamespace(eval=lambda: cdnet))
    out = tmp_path / "matcher.safetensors"
    assert str(out) in train_matcher([squares], out, MatcherRecipe({"Others": 1.0}, steps=2, batch=1, crop=8))
    assert load_matcher(out).state_dict().keys() == load_matcher().state_dict().keys()
    assert [json.loads(line)["step"] for line in out.with_suffix(".jsonl").read_text().splitlines()] == [1, 2]


def test_sets_that_the_recipe_does_not_name_are_used_alone(squares: Path, tmp_path: Path, encoder: ViewEncoder) -> None:
    other = tmp_path / "Photos"
    other.symlink_to(squares)
    assert list(MatcherDataset(MatcherRecipe({"Squares": 1.0}), [squares, other], encoder).sets) == ["Squares"]
    assert list(MatcherDataset(MatcherRecipe({"Others": 1.0}), [squares, other], encoder).sets) == ["Squares", "Photos"]


def test_without_two_objects_of_a_class_there_is_nothing_to_learn(squares: Path, encoder: ViewEncoder) -> None:
    (squares / "images" / "1.png").unlink()
    path = squares / "masks" / "0.png"
    values = np.asarray(Image.open(path))
    Image.fromarray(values * (values == 1)).save(path)
    with pytest.raises(ValueError, match="no image has two objects of one class"):
        MatcherDataset(MatcherRecipe({"Squares": 1.0}), [squares], encoder)


def test_objects_too_small_for_an_example_are_nothing_to_learn(
    squares: Path, encoder: ViewEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr("cdwidget.train.matcher_views.MIN_EXAMPLE_SIDE", 0.5)
    with pytest.raises(ValueError, match="large enough"):
        MatcherDataset(MatcherRecipe({"Squares": 1.0}), [squares], encoder)


def test_a_class_of_a_sorted_map_begins_above_its_predecessor() -> None:
    masks = np.zeros((5, 20, 20), bool)
    for mask, top in zip(masks, (2, 9, 3, 4, 12)):
        mask[top : top + 2, 4:8] = True
    source = DatasetImage(Path("a.png"), Path("a.png"))
    facades, windows = MapClasses((), {"facades": "window"}, ("facades",)), MapClasses((), {"facades": "window"})
    assert facades.labels("facades", source, masks) == ["", "", "window", "window", "window"]
    assert facades.labels("facades", source, masks[:4]) == [""] * 4, "two objects may be of the class before the last"
    assert windows.labels("facades", source, masks) == ["window"] * 5
    assert windows.labels("others", source, masks) == ["object"] * 5


def test_the_values_of_a_class_map_are_its_classes(squares: Path) -> None:
    source = read_dataset(squares)[0]
    _, masks, _ = source.load()
    assert MapClasses(("Squares",)).labels("Squares", source, masks) == ["1", "2", "3"]


def test_a_second_run_reads_the_tokens_of_the_first(squares: Path, tmp_path: Path) -> None:
    encodings = []

    def encode(image: torch.Tensor) -> tuple[torch.Tensor, ...]:
        encodings.append(image)
        return levels_of(image)

    views = ViewEncoder(ViewCache(encode, 64, torch.device("cpu")), tmp_path / "views")
    first, second = (MatcherDataset(MatcherRecipe({"Squares": 1.0}), [squares], views).sets["Squares"] for _ in range(2))
    assert len(encodings) == 2, "one view of each of two images"
    for (a, _), (b, _) in zip(first.searches, second.searches):
        assert all(torch.equal(x, y) for x, y in zip(a.levels, b.levels)) and a.boxes.tolist() == b.boxes.tolist()


def encoded_view(label: str, image: str, count: int = 2, side: float = 0.25) -> EncodedView:
    """Return a view of up to two objects of a class."""
    boxes = np.array([[0.1, 0.1, 0.1 + side, 0.1 + side], [0.6, 0.6, 0.6 + side, 0.6 + side]], np.float32)[:count]
    return EncodedView([torch.zeros(2, 8, 8).half()] * 3, boxes, [label] * count, np.zeros(count, bool), image)


def test_an_example_of_another_set_finds_nothing_only_if_its_class_is_not_shown(squares: Path, encoder: ViewEncoder) -> None:
    recipe = MatcherRecipe({"Squares": 1.0}, other=1.0, across=0.0, classes=MapClasses(names={"Squares": "window"}))
    dataset = MatcherDataset(recipe, [squares], encoder)
    dataset.sets |= {label: ViewSet([encoded_view(label, label)]) for label in ("window", "cat")}
    dataset._probabilities = np.full(3, 1 / 3)
    searches = [search for search in (dataset._draw_search() for _ in range(60)) if search]
    assert {(one.view.labels[0], one.examples[0].view.labels[0]) for one in searches} == {("window", "cat"), ("cat", "window")}
    assert all(one.label == "" for one in searches)


def test_an_only_object_is_searched_with_examples_of_other_images() -> None:
    alone, other = encoded_view("cat", "a", count=1), encoded_view("cat", "b", count=1)
    assert ViewSet([alone]).searches == []
    assert [counts for _, counts in ViewSet([alone, other]).searches] == [{"cat": 1}] * 2


def test_objects_too_small_for_an_example_are_not_searched() -> None:
    assert [counts for _, counts in ViewSet([encoded_view("cat", "a")]).searches] == [{"cat": 2}]
    assert ViewSet([encoded_view("cat", "a", side=0.01)]).searches == []


def test_several_examples_are_of_similar_size(squares: Path, encoder: ViewEncoder) -> None:
    dataset = MatcherDataset(MatcherRecipe({"Squares": 1.0}, several=1.0, across=1.0), [squares], encoder)
    views = ViewSet([encoded_view("cat", "a"), *(encoded_view("cat", str(i), side=side) for i, side in enumerate((0.2, 0.22, 0.3)))])
    view = views.searches[0][0]
    drawn = [dataset._draw_examples(views, view, "cat") for _ in range(40)]
    sides = [[round(float(one.box[2] - one.box[0]), 2) for one in examples] for examples in drawn]
    assert max(map(len, sides)) > 2
    assert all(max(each) <= 1.3 * each[0] and min(each) >= each[0] / 1.3 for each in sides)
