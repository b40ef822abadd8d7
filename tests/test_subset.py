"""Subsets of a catalogue: balance, diversity, duplicates, and splits without leakage."""

import dataclasses
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.sparse import csr_matrix

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import ScoreValue, Subset
from cdwidget.catalogue.sampling import balance_classes, stratified_split
from cdwidget.catalogue.similarity import put_embedding
from support.image_files import scene

HEIGHT, WIDTH = 60, 80


def box(number: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5 : 15 + number, 5:30] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """24 images of six sites: each has a cat, every third one also a dog; image 24 has the only horse, image 23 has nothing."""
    found = Catalogue(tmp_path / "labels.db", user="ana")
    for number in range(1, 25):
        path = tmp_path / f"site{(number - 1) // 4}_{number:02}.png"
        Image.fromarray(scene(number)).save(path)
        labels = ["cat", *(["dog"] if number % 3 == 0 else []), *(["horse"] if number == 24 else [])] if number != 23 else []
        found.add([Item(path, [Instance(box(at), label) for at, label in enumerate(labels)])])
    found.tag(range(1, 5), "who:ana")
    found.tag(range(21, 25), "who:ana")
    return found


def add(catalogue: Catalogue, name: str, image: np.ndarray, count: int = 1) -> int:
    """Add an image with `count` instances and return its id."""
    path = catalogue.path.parent / name
    Image.fromarray(image).save(path)
    catalogue.add([Item(path, [Instance(np.ones(image.shape[:2], bool), "cat")] * count)])
    return len(catalogue)


# ---- choosing --------------------------------------------------------------------------------------------------------


def test_a_subset_is_a_query(catalogue: Catalogue) -> None:
    catalogue.set_status([2, 3], "accepted")
    for item, value in ((1, 0.9), (2, 0.2), (3, 0.4)):
        catalogue.put_scores(item, [ScoreValue(1, "overall", value)])
    assert list(catalogue.subset()) == list(range(1, 25))
    assert list(catalogue.subset("accepted")) == [2, 3]
    assert list(catalogue.subset(below=0.3)) == [2] and list(catalogue.subset(above=0.3)) == [1, 3]
    assert list(catalogue.subset(label="horse")) == [24] and list(catalogue.subset(tag="who:ana", ids=[24, 9, 1])) == [24, 1]
    assert repr(catalogue.subset("accepted")) == "Subset: 2 of 24 items"
    with pytest.raises(ValueError, match=r"no items \[77\]"):
        catalogue.subset(ids=[1, 77])
    with pytest.raises(ValueError, match="no status named 'bad'"):
        catalogue.subset("bad")


def test_a_subset_is_immutable(catalogue: Catalogue) -> None:
    every = catalogue.subset()
    assert len(every.balance(at_most=3)) < len(every) == 24
    with pytest.raises(dataclasses.FrozenInstanceError):
        every.ids = np.zeros(1)  # type: ignore[misc]
    assert list(pickle.loads(pickle.dumps(every)).ids) == list(every.ids)


def test_labels_do_not_count_rejected_instances(catalogue: Catalogue) -> None:
    assert catalogue.subset().labels == {"cat": 23, "dog": 8, "horse": 1}
    (horse,) = catalogue.query(of="instances", label="horse")
    catalogue.set_status(horse.id, "rejected", of="instances")
    assert catalogue.subset().labels == {"cat": 23, "dog": 8}


def test_balance(catalogue: Catalogue) -> None:
    every = catalogue.subset()
    assert every.balance().labels == {"cat": 1, "dog": 1, "horse": 1}, "as many as the rarest class has"
    assert every.balance(at_most=8).labels == {"cat": 8, "dog": 8, "horse": 1}
    assert 23 in every.balance(at_most=1).ids, "an image without instances has no class"
    small = every.balance(at_least=1)
    assert small.labels == {"cat": 1, "dog": 1, "horse": 1} and list(small) == [23, 24]
    assert list(every.balance(at_most=5, seed=1)) == list(every.balance(at_most=5, seed=1)) != list(every.balance(at_most=5, seed=2))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"at_least": 5}, "fewer instances of: 'horse' 1; use at_least=1"),
        ({"at_most": -1}, "at_most is -1"),
        ({"at_most": 1, "at_least": 2}, "cannot be smaller"),
    ],
)
def test_impossible_balances(numbers: dict[str, int], message: str, catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match=message):
        catalogue.subset().balance(**numbers)


def test_balance_of_items_with_many_classes() -> None:
    random = np.random.default_rng(0)
    counts = csr_matrix(random.poisson(0.4, (400, 8)) * (random.random(8) < 2))
    for least, most in ((0, 20), (20, 20), (30, 60)):
        taken = balance_classes(counts, least, most)
        have = counts[taken].sum(0)
        assert have.min() >= min(least, counts.sum(0).min())
        if not least:
            assert have.max() <= most
            left = np.flatnonzero(~taken)
            assert all(((have + counts[item]) > most).any() for item in left), "no further item fits"


# ---- embeddings ------------------------------------------------------------------------------------------------------


def embed(catalogue: Catalogue, vectors: np.ndarray, model: str = "test") -> None:
    for item, vector in enumerate(vectors, 1):
        put_embedding(catalogue, item, vector, model)


def test_diverse_chooses_one_item_of_each_cluster_first(catalogue: Catalogue) -> None:
    random = np.random.default_rng(0)
    cluster = np.arange(24) % 4
    embed(catalogue, np.eye(4)[cluster] * 8 + random.normal(size=(24, 4)) * 0.3)
    chosen = catalogue.subset().diverse(4)
    assert sorted(cluster[chosen.ids - 1]) == [0, 1, 2, 3]
    assert list(catalogue.subset().diverse(4)) == list(chosen), "deterministic"
    assert len({tuple(catalogue.subset().diverse(6, seed=seed)) for seed in range(8)}) > 1
    assert len(catalogue.subset().diverse(100)) == 24
    assert len(set(catalogue.subset().diverse(20))) == 20


def test_diverse_needs_embeddings(catalogue: Catalogue) -> None:
    embed(catalogue, np.ones((20, 3)))
    with pytest.raises(ValueError, match=r"4 of the 24 items have no embedding; run cdwidget.run\(cdwidget.Embed\(\), catalogue\)"):
        catalogue.subset().diverse(3)
    with pytest.raises(ValueError, match="count is 0"):
        catalogue.subset().diverse(0)


# ---- duplicates ------------------------------------------------------------------------------------------------------


def test_duplicates_are_omitted_with_a_reason(catalogue: Catalogue) -> None:
    copy = add(catalogue, "copy of 3.jpg", scene(3))
    better = add(catalogue, "7 again.png", scene(7), count=3)
    catalogue.set_status(copy, "accepted")
    chosen = catalogue.subset().without_duplicates()
    assert {(one.item, one.kept) for one in chosen.duplicates} == {(3, copy), (7, better)}, "accepted first, then most instances"
    assert set(chosen) == set(range(1, 27)) - {3, 7} and "2 duplicates omitted" in repr(chosen)
    reason = next(one for one in chosen.duplicates if one.item == 7)
    assert reason.path.endswith("site1_07.png") and reason.reason == f"same fingerprint as 7 again.png (item {better})"
    assert chosen.balance(at_most=2).duplicates == chosen.duplicates


def test_fingerprints_are_computed_once(catalogue: Catalogue) -> None:
    first = catalogue.subset().without_duplicates()
    for path in catalogue.path.parent.glob("*.png"):
        path.unlink()
    assert list(catalogue.subset().without_duplicates()) == list(first)


def test_unreadable_images_are_not_duplicates(catalogue: Catalogue) -> None:
    for name in ("site0_01.png", "site0_02.png"):
        (catalogue.path.parent / name).write_bytes(b"nothing")
    assert {1, 2} <= set(catalogue.subset().without_duplicates())


def test_mirrored_images_are_found_by_embedding(catalogue: Catalogue) -> None:
    vectors = np.random.default_rng(0).normal(size=(24, 16))
    vectors[9] = vectors[4] + 0.01
    embed(catalogue, vectors)
    assert len(catalogue.subset().without_duplicates().duplicates) == 0
    (one,) = catalogue.subset().without_duplicates(distance=0.05).duplicates
    assert (one.item, one.kept) == (10, 5) and one.reason.startswith("embedding distance 0.0")
    with pytest.raises(ValueError, match="bits is 60; allowed are 0 to 36"):
        catalogue.subset().without_duplicates(bits=60)


# ---- splitting -------------------------------------------------------------------------------------------------------


def test_a_split_is_a_partition(catalogue: Catalogue) -> None:
    parts = catalogue.subset().split(val=0.25, test=0.25)
    assert sorted([*parts.train, *parts.val, *parts.test]) == list(range(1, 25))
    assert [len(parts.train), len(parts.val), len(parts.test)] == [12, 6, 6]
    assert all(part.labels["dog"] in (2, 4) for part in parts.parts.values()), "similar shares of each class"
    assert repr(parts) == "Split: train 12, val 6, test 6"
    assert list(catalogue.subset().split(val=0.25, test=0.25).val) == list(parts.val)
    assert list(catalogue.subset().split(val=0.25, test=0.25, seed=1).val) != list(parts.val)
    with pytest.raises(ValueError, match="no part named 'test'; there are: train, val"):
        catalogue.subset().split().test  # noqa: B018


def test_groups_of_a_path_stay_on_one_side(catalogue: Catalogue) -> None:
    parts = catalogue.subset().split(val=0.34, groups=r"site(\d+)_")
    sites = [{(id - 1) // 4 for id in part} for part in parts.parts.values()]
    assert not sites[0] & sites[1] and len(sites[1]) == 2
    with pytest.raises(ValueError, match=r"matches no path, such as '.*site0_01.png'"):
        catalogue.subset().split(groups="patient")
    with pytest.raises(ValueError, match="is not a regular expression"):
        catalogue.subset().split(groups="(")


def test_groups_of_a_tag_stay_on_one_side(catalogue: Catalogue) -> None:
    for seed in range(5):
        parts = catalogue.subset().split(val=0.4, tags="who:", seed=seed)
        tagged = {1, 2, 3, 4, 21, 22, 23, 24}
        assert tagged <= set(parts.train) or tagged <= set(parts.val)
    with pytest.raises(ValueError, match=r"begins with 'city:'; there are: \['who:ana'\]"):
        catalogue.subset().split(tags="city:")


def test_near_duplicates_do_not_leak(catalogue: Catalogue) -> None:
    originals = list(range(1, 13))
    copies = [add(catalogue, f"copy{id}.png", np.clip(scene(id) + 3.0, 0, 255).astype(np.uint8)) for id in originals]
    leaks = 0
    for seed in range(4):
        train = set(catalogue.subset().split(val=0.5, seed=seed).train)
        assert all((a in train) == (b in train) for a, b in zip(originals, copies))
        blind = set(catalogue.subset().split(val=0.5, seed=seed, bits=None).train)
        leaks += sum((a in blind) != (b in blind) for a, b in zip(originals, copies))
    assert leaks > 5, "without the search they do leak"


@pytest.mark.parametrize("shares", [{"val": 0.0, "test": 1.0}, {"val": -0.1}, {"val": 0.6, "test": 0.4}])
def test_shares_that_leave_no_training_items(shares: dict[str, float], catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="shares from 0 that leave items for training"):
        catalogue.subset().split(**shares)


def test_a_part_that_would_be_empty(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="val would be empty: 8 items in 1 groups"):
        catalogue.subset(tag="who:ana").split(val=0.3, tags="who:")


def test_stratification_is_far_better_than_chance() -> None:
    random = np.random.default_rng(0)
    rates = np.array([2, 1, 0.5, 0.1, 0.05, 0.02])
    counts = csr_matrix(random.poisson(rates, (600, 6)))
    groups = random.integers(0, 250, 600)
    totals = np.asarray(counts.sum(0)).ravel()

    def worst(part: np.ndarray) -> float:
        return float(np.abs(np.asarray(counts[part == 1].sum(0)).ravel() / totals - 0.2).max())

    ours = [stratified_split(counts, groups, {"train": 0.8, "val": 0.2}, seed) for seed in range(5)]
    for part in ours:
        assert all(len(set(part[groups == group])) == 1 for group in set(groups.tolist()))
        assert abs((part == 1).mean() - 0.2) < 0.06
    sides = [(random.random(250) < 0.2)[groups].astype(int) for _ in range(20)]
    assert np.mean([worst(part) for part in ours]) < 0.5 * np.mean([worst(part) for part in sides])


# ---- output -------------------------------------------------------------------------------------------------------------


def test_export_and_read_back(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.set_status([2], "rejected")
    written = catalogue.subset(ids=[1, 2, 3]).export("coco", tmp_path / "out" / "few.json")
    coco = COCO(str(written))
    assert sorted(Path(one["file_name"]).name for one in coco.imgs.values()) == [f"site0_0{n}.png" for n in (1, 2, 3)]
    assert len(coco.anns) == 3, "one cat is rejected"


def test_all_parts_of_a_split_have_the_same_class_ids(catalogue: Catalogue, tmp_path: Path) -> None:
    parts = catalogue.subset().split(val=0.25)
    files = parts.export("coco", tmp_path / "out")
    contents = {name: json.loads(path.read_text()) for name, path in files.items()}
    assert {name: path.name for name, path in files.items()} == {"train": "train.json", "val": "val.json"}
    assert contents["train"]["categories"] == contents["val"]["categories"]
    assert [one["name"] for one in contents["val"]["categories"]] == ["cat", "dog", "horse"]
    folders = parts.export("yolo", tmp_path / "yolo")
    assert (tmp_path / "yolo/data.yaml").is_file() and {path.name for path in folders.values()} == {"train", "val"}
    assert len(list((tmp_path / "yolo" / "val" / "images").iterdir())) == len(parts.val)


def test_a_data_frame(catalogue: Catalogue) -> None:
    frame = catalogue.subset(ids=[5, 2]).to_pandas()
    assert frame["id"].tolist() == [5, 2] and frame["instances"].tolist() == [1, 1]


def test_deleted_items(catalogue: Catalogue) -> None:
    gone = Subset(catalogue, np.array([1, 400]))
    with pytest.raises(ValueError, match="1 of the 2 items are no longer in the catalogue"):
        gone.to_pandas()


def test_an_empty_subset(catalogue: Catalogue) -> None:
    nothing = catalogue.subset(label="unicorn")
    assert len(nothing) == len(nothing.balance()) == len(nothing.without_duplicates()) == len(nothing.diverse(3)) == 0
    assert nothing.labels == {} and len(nothing.to_pandas()) == 0
    with pytest.raises(ValueError, match="train and val would be empty"):
        nothing.split()
