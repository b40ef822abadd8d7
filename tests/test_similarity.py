"""Similarity of images: embeddings, projections, farthest-point sampling and fingerprints."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from cdwidget import Catalogue
from cdwidget.catalogue.similarity import (
    FINGERPRINT_BITS,
    PROJECTIONS,
    DuplicatePair,
    connected_groups,
    farthest_point_sampling,
    fingerprint,
    near_duplicates,
    near_vectors,
    project,
    put_embedding,
    read_embeddings,
)
from support.image_files import scene


def test_embeddings_are_stored(tmp_path: Path) -> None:
    vectors = np.random.default_rng(0).normal(size=(24, 5))
    catalogue = Catalogue(tmp_path / "labels.db")
    catalogue.add(f"{number}.png" for number in range(24))
    for item, vector in enumerate(vectors, 1):
        put_embedding(catalogue, item, vector, "test")
    ids, found = read_embeddings(Catalogue(catalogue.path), [7, 3, 12, 999])
    assert ids.tolist() == [7, 3, 12] and found.shape == (3, 5) and found.dtype == np.float32
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert np.allclose(read_embeddings(catalogue)[1].mean(0), 0, atol=0.1)
    put_embedding(catalogue, 3, vectors[0], "other")
    with pytest.raises(ValueError, match=r"several models \(other, test\)"):
        read_embeddings(catalogue)
    with pytest.raises(ValueError, match="finite numbers"):
        put_embedding(catalogue, 1, np.array([1.0, np.nan]), "test")


def test_farthest_point_sampling_starts_at_the_medoid() -> None:
    line = np.array([[0.0], [1], [2], [3], [10]], np.float32)
    squares = ((line - line.T) ** 2).sum(1)
    assert farthest_point_sampling(line, 3).tolist() == [int(squares.argmin()), 4, 0]
    same = np.zeros((6, 2), np.float32)
    assert sorted(farthest_point_sampling(same, 6).tolist()) == [0, 1, 2, 3, 4, 5], "each one once, even if all are equal"


def test_farthest_point_sampling_covers_better_than_chance() -> None:
    random = np.random.default_rng(1)
    vectors = random.normal(size=(500, 6)).astype(np.float32)

    def gap(chosen: np.ndarray) -> float:
        return float(np.sqrt(((vectors[:, None] - vectors[chosen]) ** 2).sum(2)).min(1).max())

    assert gap(farthest_point_sampling(vectors, 30)) < 0.9 * np.mean([gap(random.choice(500, 30, False)) for _ in range(10)])


@pytest.mark.parametrize("name", PROJECTIONS)
def test_projections(name: str) -> None:
    random = np.random.default_rng(0)
    cluster = np.repeat([0, 1, 2], 20)
    vectors = (np.eye(10)[cluster] * 6 + random.normal(size=(60, 10))).astype(np.float32)
    points = project(vectors, name)
    assert points.shape == (60, 2) and points.dtype == np.float32 and np.abs(points).max() == pytest.approx(1, abs=1e-5)
    assert (project(vectors, name) == points).all(), "deterministic"
    middles = np.array([points[cluster == number].mean(0) for number in range(3)])
    nearest = np.linalg.norm(points[:, None] - middles, axis=2).argmin(1)
    assert (nearest == cluster).mean() > 0.95
    for few in range(5):
        assert np.isfinite(project(vectors[:few], name)).all() and len(project(vectors[:few], name)) == few
    assert project(np.ones((7, 1), np.float32), name).shape == (7, 2)


def test_an_unknown_projection() -> None:
    with pytest.raises(ValueError, match="there are: pca, tsne"):
        project(np.zeros((2, 2), np.float32), "umap")


def test_fingerprints_of_processed_copies_are_near() -> None:
    image = scene(5)
    small = cv2.resize(image, (47, 33), interpolation=cv2.INTER_AREA)
    jpeg = cv2.imdecode(cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 40])[1], cv2.IMREAD_COLOR)
    brighter = np.clip(image * 1.05 + 4, 0, 255).astype(np.uint8)
    values = np.stack([fingerprint(one) for one in (image, small, jpeg, brighter, image[:, ::-1], 255 - image, scene(6))])
    pairs = {(pair.first, pair.second) for pair in near_duplicates(values)}
    assert pairs == {(a, b) for a in range(4) for b in range(a + 1, 4)}


def test_flat_images_of_different_colors_are_not_duplicates() -> None:
    values = np.stack([fingerprint(np.full((30, 40, 3), shade, np.uint8)) for shade in (60, 62, 180)])
    assert near_duplicates(values) == [DuplicatePair(0, 1, 0)]


def test_near_duplicates_finds_all_pairs() -> None:
    random = np.random.default_rng(0)
    values = random.integers(0, 256, (2300, 21), dtype=np.uint8)
    values[1500:1600] = values[100:200]
    values[1500:1600, 3] ^= 0b11
    bits = np.unpackbits(values[:, : FINGERPRINT_BITS // 8], axis=1).astype(int)
    expected = []
    for a in range(len(values)):
        differ = (bits[a] != bits[a + 1 :]).sum(1)
        tones = np.abs(values[a, -3:].astype(int) - values[a + 1 :, -3:]).max(1)
        expected += [DuplicatePair(a, a + 1 + int(b), int(differ[b])) for b in np.flatnonzero((differ <= 40) & (tones <= 24))]
    assert len(expected) >= 100 and near_duplicates(values, 40) == expected


def test_near_vectors_uses_the_cosine_distance() -> None:
    vectors = np.array([[1, 0], [0, 1], [0.8, 0.6]], np.float32)
    assert [(a, b, round(apart, 3)) for a, b, apart in near_vectors(vectors, 0.3)] == [(0, 2, 0.2)]


def test_groups_are_connected_transitively() -> None:
    assert connected_groups(6, [(4, 2), (2, 5), (0, 1)]).tolist() == [0, 0, 2, 3, 2, 2]
