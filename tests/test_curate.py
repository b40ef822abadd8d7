"""Subsets of a catalogue: what is chosen, what is left out and why, and that nothing leaks from one part of a split to another."""

import dataclasses
import json
import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from pycocotools.coco import COCO
from scipy.sparse import csr_matrix

from cdwidget import Catalogue, Instance, Item
from cdwidget.catalogue import Score, Subset
from cdwidget.catalogue.similarity import (
    BITS,
    PROJECTIONS,
    Pair,
    alike,
    fingerprint,
    groups_of,
    near,
    project,
    put_embedding,
    read_embeddings,
    spread,
)
from cdwidget.catalogue.subset import balance, split

HEIGHT, WIDTH = 60, 80


def scene(seed: int) -> np.ndarray:
    """A picture of its own: soft spots of colour."""
    noise = np.random.default_rng(seed).uniform(0, 255, (5, 6, 3)).astype(np.float32)
    return cv2.resize(noise, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC).clip(0, 255).astype(np.uint8)


def box(number: int) -> np.ndarray:
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[5 : 15 + number, 5:30] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """24 images of six places, four each; every image has a cat, every third one a dog too, image 24 the only horse, image 23 nothing."""
    found = Catalogue(tmp_path / "labels.db", who="ana")
    for number in range(1, 25):
        path = tmp_path / f"site{(number - 1) // 4}_{number:02}.png"
        Image.fromarray(scene(number)).save(path)
        labels = ["cat", *(["dog"] if number % 3 == 0 else []), *(["horse"] if number == 24 else [])] if number != 23 else []
        found.add([Item(path, [Instance(box(at), label) for at, label in enumerate(labels)])])
    found.tag(range(1, 5), "who:ana")
    found.tag(range(21, 25), "who:ana")
    return found


def add(catalogue: Catalogue, name: str, image: np.ndarray, count: int = 1) -> int:
    """Add an image with so many instances, and return its id."""
    path = catalogue.path.parent / name
    Image.fromarray(image).save(path)
    catalogue.add([Item(path, [Instance(np.ones(image.shape[:2], bool), "cat")] * count)])
    return len(catalogue)


# ---- choosing --------------------------------------------------------------------------------------------------------


def test_a_subset_is_a_query(catalogue: Catalogue) -> None:
    catalogue.set_status([2, 3], "accepted")
    for item, value in ((1, 0.9), (2, 0.2), (3, 0.4)):
        catalogue.put_scores(item, [Score(1, "overall", value)])
    assert list(catalogue.subset()) == list(range(1, 25))
    assert list(catalogue.subset("accepted")) == [2, 3]
    assert list(catalogue.subset(below=0.3)) == [2] and list(catalogue.subset(above=0.3)) == [1, 3]
    assert list(catalogue.subset(label="horse")) == [24] and list(catalogue.subset(tag="who:ana", ids=[24, 9, 1])) == [24, 1]
    assert repr(catalogue.subset("accepted")) == "Subset: 2 of 24 items"
    with pytest.raises(ValueError, match=r"no items \[77\]"):
        catalogue.subset(ids=[1, 77])
    with pytest.raises(ValueError, match="no status named 'bad'"):
        catalogue.subset("bad")


def test_a_subset_never_changes(catalogue: Catalogue) -> None:
    every = catalogue.subset()
    assert len(every.balance(at_most=3)) < len(every) == 24
    with pytest.raises(dataclasses.FrozenInstanceError):
        every.ids = np.zeros(1)  # type: ignore[misc]
    assert list(pickle.loads(pickle.dumps(every)).ids) == list(every.ids)


def test_labels_count_what_is_not_rejected(catalogue: Catalogue) -> None:
    assert catalogue.subset().labels == {"cat": 23, "dog": 8, "horse": 1}
    (horse,) = catalogue.query(of="instances", label="horse")
    catalogue.set_status(horse.id, "rejected", of="instances")
    assert catalogue.subset().labels == {"cat": 23, "dog": 8}


def test_balance(catalogue: Catalogue) -> None:
    every = catalogue.subset()
    assert every.balance().labels == {"cat": 1, "dog": 1, "horse": 1}, "as many as of the rarest class"
    assert every.balance(at_most=8).labels == {"cat": 8, "dog": 8, "horse": 1}
    assert 23 in every.balance(at_most=1).ids, "an image without instances has no class"
    small = every.balance(at_least=1)
    assert small.labels == {"cat": 1, "dog": 1, "horse": 1} and list(small) == [23, 24]
    assert list(every.balance(at_most=5, seed=1)) == list(every.balance(at_most=5, seed=1)) != list(every.balance(at_most=5, seed=2))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"at_least": 5}, "fewer instances of: 'horse' 1; ask for at most 1"),
        ({"at_most": -1}, "at_most is -1"),
        ({"at_most": 1, "at_least": 2}, "cannot be fewer"),
    ],
)
def test_what_cannot_be_balanced(numbers: dict[str, int], message: str, catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match=message):
        catalogue.subset().balance(**numbers)


def test_balance_holds_its_promise_where_items_have_many_classes() -> None:
    random = np.random.default_rng(0)
    counts = csr_matrix(random.poisson(0.4, (400, 8)) * (random.random(8) < 2))
    for least, most in ((0, 20), (20, 20), (30, 60)):
        taken = balance(counts, least, most)
        have = counts[taken].sum(0)
        assert have.min() >= min(least, counts.sum(0).min())
        if not least:
            assert have.max() <= most
            left = np.flatnonzero(~taken)
            assert all(((have + counts[item]) > most).any() for item in left), "more would have gone in"


# ---- embeddings ------------------------------------------------------------------------------------------------------


def embed(catalogue: Catalogue, vectors: np.ndarray, model: str = "test") -> None:
    for item, vector in enumerate(vectors, 1):
        put_embedding(catalogue, item, vector, model)


def test_embeddings_are_kept(catalogue: Catalogue) -> None:
    vectors = np.random.default_rng(0).normal(size=(24, 5))
    embed(catalogue, vectors)
    ids, found = read_embeddings(Catalogue(catalogue.path), [7, 3, 12, 999])
    assert ids.tolist() == [7, 3, 12] and found.shape == (3, 5) and found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(read_embeddings(catalogue)[1].mean(0), 0, atol=0.1)
    put_embedding(catalogue, 3, vectors[0], "other")
    with pytest.raises(ValueError, match=r"several models \(other, test\)"):
        read_embeddings(catalogue)
    with pytest.raises(ValueError, match="finite numbers"):
        put_embedding(catalogue, 1, np.array([1.0, np.nan]), "test")


def test_diverse_takes_from_every_cloud_before_two_from_one(catalogue: Catalogue) -> None:
    random = np.random.default_rng(0)
    cloud = np.arange(24) % 4
    embed(catalogue, np.eye(4)[cloud] * 8 + random.normal(size=(24, 4)) * 0.3)
    chosen = catalogue.subset().diverse(4)
    assert sorted(cloud[chosen.ids - 1]) == [0, 1, 2, 3]
    assert list(catalogue.subset().diverse(4)) == list(chosen), "the same every time"
    assert len({tuple(catalogue.subset().diverse(6, seed=seed)) for seed in range(8)}) > 1
    assert len(catalogue.subset().diverse(100)) == 24
    assert len(set(catalogue.subset().diverse(20))) == 20


def test_diverse_says_what_is_missing(catalogue: Catalogue) -> None:
    embed(catalogue, np.ones((20, 3)))
    with pytest.raises(ValueError, match=r"4 of the 24 items have no embedding; cdwidget.run\(cdwidget.Embed\(\), catalogue\)"):
        catalogue.subset().diverse(3)
    with pytest.raises(ValueError, match="count is 0"):
        catalogue.subset().diverse(0)


def test_spread_begins_at_the_medoid_and_goes_to_the_farthest() -> None:
    line = np.array([[0.0], [1], [2], [3], [10]], np.float32)
    squares = ((line - line.T) ** 2).sum(1)
    assert spread(line, 3).tolist() == [int(squares.argmin()), 4, 0]
    same = np.zeros((6, 2), np.float32)
    assert sorted(spread(same, 6).tolist()) == [0, 1, 2, 3, 4, 5], "each once, where all are the same"


def test_spread_covers_better_than_chance() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, 6)).astype(np.float32)

    def gap(chosen: np.ndarray) -> float:
        return float(np.sqrt(((vectors[:, None] - vectors[chosen]) ** 2).sum(2)).min(1).max())

    assert gap(spread(vectors, 30)) < 0.9 * np.mean([gap(random.choice(500, 30, False)) for _ in range(10)])


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projections(name: str) -> None:
    random = np.random.default_rng(0)
    cloud = np.repeat([0, 1, 2], 20)
    vectors = (np.eye(10)[cloud] * 6 + random.normal(size=(60, 10))).astype(np.float32)
    points = project(vectors, name)
    assert points.shape == (60, 2) and points.dtype == np.float32 and np.abs(points).max() == pytest.approx(1, abs=1e-5)
    assert (project(vectors, name) == points).all(), "the same every time"
    middles = np.array([points[cloud == number].mean(0) for number in range(3)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(1)
    assert (nearest == cloud).mean() > 0.95
    for few in range(5):
        assert np.isfinite(project(vectors[:few], name)).all() and len(project(vectors[:few], name)) == few
    assert project(np.ones((7, 1), np.float32), name).shape == (7, 2)


def test_an_unknown_projection() -> None:
    with pytest.raises(ValueError, match="there are: pca, tsne"):
        project(np.zeros((2, 2), np.float32), "umap")


# ---- duplicates ------------------------------------------------------------------------------------------------------


def test_a_fingerprint_outlives_what_copies_go_through() -> None:
    image = scene(5)
    small = cv2.resize(image, (47, 33), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    brighter = np.clip(image * 1.05 + 4, 0, 255).astype(np.uint8)
    values = np.stack([fingerprint(one) for one in (image, small, jpeg, brighter, image[:, ::-1], 255 - image, scene(6))])
    pairs = {(pair.first, pair.second) for pair in alike(values)}
    assert pairs == {(a, b) for a in range(4) for b in range(a + 1, 4)}


def test_flat_images_of_different_colours_are_no_duplicates() -> None:
    values = np.stack([fingerprint(np.full((30, 40, 3), shade, np.uint8)) for shade in (60, 62, 180)])
    assert alike(values) == [Pair(0, 1, 0)]


def test_alike_finds_all_pairs() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (2300, 21), dtype=np.uint8)
    values[1500:1600] = values[100:200]
    values[1500:1600, 3] ^= 0b11
    bits = np.unpackbits(values[:, : BITS // 8], axis=1).astype(int)
    expected = []
    for a in range(len(values)):
        differ = (bits[a] != bits[a + 1 :]).sum(1)
        tones = np.abs(values[a, -3:].astype(int) - values[a + 1 :, -3:]).max(1)
        expected += [Pair(a, a + 1 + int(b), int(differ[b])) for b in np.flatnonzero((differ <= 40) & (tones <= 24))]
    assert len(expected) >= 100 and alike(values, 40) == expected


def test_duplicates_are_left_out_and_it_is_said_why(catalogue: Catalogue) -> None:
    copy = add(catalogue, "copy of 3.jpg", scene(3))
    better = add(catalogue, "7 again.png", scene(7), count=3)
    catalogue.set_status(copy, "accepted")
    chosen = catalogue.subset().without_duplicates()
    assert {(one.item, one.kept) for one in chosen.left_out} == {(3, copy), (7, better)}, "accepted first, then what has most instances"
    assert set(chosen) == set(range(1, 27)) - {3, 7} and "2 duplicates left out" in repr(chosen)
    reason = next(one for one in chosen.left_out if one.item == 7)
    assert (
        reason.path.endswith("site1_07.png")
        and reason.why == f"the fingerprint differs in nothing from that of 7 again.png (item {better})"
    )
    assert chosen.balance(at_most=2).left_out == chosen.left_out


def test_fingerprints_are_made_once(catalogue: Catalogue) -> None:
    first = catalogue.subset().without_duplicates()
    for path in catalogue.path.parent.glob("*.png"):
        path.unlink()
    assert list(catalogue.subset().without_duplicates()) == list(first)


def test_images_that_cannot_be_read_are_no_duplicates(catalogue: Catalogue) -> None:
    for name in ("site0_01.png", "site0_02.png"):
        (catalogue.path.parent / name).write_bytes(b"nothing")
    assert {1, 2} <= set(catalogue.subset().without_duplicates())


def test_mirrored_images_are_found_by_their_embeddings(catalogue: Catalogue) -> None:
    vectors = np.random.default_rng(0).normal(size=(24, 16))
    vectors[9] = vectors[4] + 0.01
    embed(catalogue, vectors)
    assert len(catalogue.subset().without_duplicates().left_out) == 0
    (one,) = catalogue.subset().without_duplicates(distance=0.05).left_out
    assert (one.item, one.kept) == (10, 5) and one.why.startswith("the embedding is 0.0")
    with pytest.raises(ValueError, match="bits is 60; allowed are 0 to 36"):
        catalogue.subset().without_duplicates(bits=60)


def test_near_is_the_cosine_distance() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    assert [(a, b, round(apart, 3)) for a, b, apart in near(vectors, 0.3)] == [(0, 2, 0.2)]


def test_groups_are_joined_by_any_chain() -> None:
    assert groups_of(6, [(4, 2), (2, 5), (0, 1)]).tolist() == [0, 0, 2, 3, 2, 2]


# ---- splitting -------------------------------------------------------------------------------------------------------


def test_a_split_is_a_partition(catalogue: Catalogue) -> None:
    parts = catalogue.subset().split(val=0.25, test=0.25)
    assert sorted([*parts.train, *parts.val, *parts.test]) == list(range(1, 25))
    assert [len(parts.train), len(parts.val), len(parts.test)] == [12, 6, 6]
    assert all(part.labels["dog"] in (2, 4) for part in parts.parts.values()), "each class in about the same shares"
    assert repr(parts) == "Split: train 12, val 6, test 6"
    assert list(catalogue.subset().split(val=0.25, test=0.25).val) == list(parts.val)
    assert list(catalogue.subset().split(val=0.25, test=0.25, seed=1).val) != list(parts.val)
    with pytest.raises(ValueError, match="no part named 'test'; there are: train, val"):
        catalogue.subset().split().test  # noqa: B018


def test_groups_of_a_path_stay_on_one_side(catalogue: Catalogue) -> None:
    parts = catalogue.subset().split(val=0.34, groups=r"site(\d+)_")
    sites = [{(id - 1) // 4 for id in part} for part in parts.parts.values()]
    assert not sites[0] & sites[1] and len(sites[1]) == 2
    with pytest.raises(ValueError, match=r"finds nothing in any path, such as '.*site0_01.png'"):
        catalogue.subset().split(groups="patient")
    with pytest.raises(ValueError, match="is no regular expression"):
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
    assert leaks > 5, "without looking for them they do leak"


@pytest.mark.parametrize("shares", [{"val": 0.0, "test": 1.0}, {"val": -0.1}, {"val": 0.6, "test": 0.4}])
def test_shares_that_leave_nothing(shares: dict[str, float], catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="shares from 0 that leave something to train on"):
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

    ours = [split(counts, groups, {"train": 0.8, "val": 0.2}, seed) for seed in range(5)]
    for part in ours:
        assert all(len(set(part[groups == group])) == 1 for group in set(groups.tolist()))
        assert abs((part == 1).mean() - 0.2) < 0.06
    sides = [(random.random(250) < 0.2)[groups].astype(int) for _ in range(20)]
    assert np.mean([worst(part) for part in ours]) < 0.5 * np.mean([worst(part) for part in sides])


# ---- out -------------------------------------------------------------------------------------------------------------


def test_export_and_read_back(catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.set_status([2], "rejected")
    written = catalogue.subset(ids=[1, 2, 3]).export("coco", tmp_path / "out" / "few.json")
    coco = COCO(str(written))
    assert sorted(Path(one["file_name"]).name for one in coco.imgs.values()) == [f"site0_0{n}.png" for n in (1, 2, 3)]
    assert len(coco.anns) == 3, "one cat is rejected"


def test_all_parts_of_a_split_number_the_classes_alike(catalogue: Catalogue, tmp_path: Path) -> None:
    parts = catalogue.subset().split(val=0.25)
    files = parts.export("coco", tmp_path / "out")
    contents = {name: json.loads(path.read_text()) for name, path in files.items()}
    assert {name: path.name for name, path in files.items()} == {"train": "train.json", "val": "val.json"}
    assert contents["train"]["categories"] == contents["val"]["categories"]
    assert [one["name"] for one in contents["val"]["categories"]] == ["cat", "dog", "horse"]
    folders = parts.export("yolo", tmp_path / "yolo")
    assert all((folder / "data.yaml").is_file() or folder.name == "data.yaml" for folder in folders.values())
    assert len(list((tmp_path / "yolo" / "val" / "images").iterdir())) == len(parts.val)


def test_a_frame(catalogue: Catalogue) -> None:
    frame = catalogue.subset(ids=[5, 2]).to_pandas()
    assert frame["id"].tolist() == [5, 2] and frame["instances"].tolist() == [1, 1]


def test_items_that_are_gone(catalogue: Catalogue) -> None:
    gone = Subset(catalogue, np.array([1, 400]))
    with pytest.raises(ValueError, match="1 of the 2 items are no longer in the catalogue"):
        gone.to_pandas()


def test_an_empty_subset(catalogue: Catalogue) -> None:
    nothing = catalogue.subset(label="unicorn")
    assert len(nothing) == len(nothing.balance()) == len(nothing.without_duplicates()) == len(nothing.diverse(3)) == 0
    assert nothing.labels == {} and len(nothing.to_pandas()) == 0
    with pytest.raises(ValueError, match="train and val would be empty"):
        nothing.split()
