"""Embeddings of images: kept in the catalogue, drawn on a plane, and spread out over."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Callable, Sequence

import numpy as np

from cdwidget.registry import lookup

if TYPE_CHECKING:
    from cdwidget.catalogue.catalogue import Catalogue
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

import cv2
from tqdm.auto import tqdm

from cdwidget.catalogue.images import read

HOW = "cdwidget.run(cdwidget.Embed(), catalogue) makes them"
COMPONENTS = 30  # that t-SNE looks at; what is beyond is mostly noise
PERPLEXITY = 30  # about how many neighbours t-SNE keeps close


def put_embedding(catalogue: Catalogue, item_id: int, vector: np.ndarray, model: str) -> None:
    """Keep the embedding of an item's image, float (D,), in place of one it had; model: what made it. ValueError for other values."""
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError(f"an embedding is a vector of finite numbers (D,), not {vector.shape}")
    with catalogue.database.transaction() as connection:
        row = (item_id, model, vector.astype("<f2").tobytes())
        connection.execute("INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", row)


def read_embeddings(catalogue: Catalogue, ids: Sequence[int] | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the ids of the items that have an embedding, of those given or of all, and the embeddings float32 (N, D), in their order.

    Each dimension is standardised over these items: of raw features, a few that vary a lot would decide alone. ValueError when they were
    made by several models, and cannot be compared.
    """
    chosen, given = ("", ()) if ids is None else (" WHERE item IN (SELECT value FROM json_each(?))", (_json(ids),))
    models = catalogue.database.rows(f"SELECT DISTINCT model FROM embeddings{chosen}", given)
    if len(models) > 1:
        names = ", ".join(sorted(name for (name,) in models))
        raise ValueError(f"the embeddings were made by several models ({names}) and cannot be compared; {HOW} alike")
    rows = catalogue.database.rows(f"SELECT item, vector FROM embeddings{chosen} ORDER BY item", given)
    found = np.array([item for item, _ in rows], np.int64)
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f2").reshape(len(rows), -1 if rows else 0).astype(np.float32)
    if ids is not None:
        wanted = np.asarray(ids, np.int64)
        order = np.searchsorted(found, wanted[np.isin(wanted, found)])  # the rows came in the order of their ids
        found, vectors = found[order], vectors[order]
    return found, standardise(vectors)


def standardise(vectors: np.ndarray) -> np.ndarray:
    """Return vectors (N, D) with mean 0 and deviation 1 in each dimension, then of length 1; a dimension that is constant becomes 0."""
    if not len(vectors):
        return vectors
    centred = vectors - vectors.mean(0)
    deviation = centred.std(0)
    scaled = centred / np.where(deviation > 1e-6, deviation, np.inf)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.maximum(lengths, 1e-12)).astype(np.float32)


def spread(vectors: np.ndarray, count: int, seed: int | None = None) -> np.ndarray:
    """Return the indices of `count` vectors that lie far apart, the first ones the farthest: farthest-point sampling.

    The first is the medoid, the one nearest to all others, or with a seed a random one; each next one is the farthest from those before
    (Gonzalez 1985), so that the largest gap is at most twice the smallest one possible. It finds what is odd first, also odd faults.
    """
    if seed is None:
        first = int(np.argmin(((vectors - vectors.mean(0)) ** 2).sum(1)))  # of squared distances, the sum is least there
    else:
        first = int(np.random.default_rng(seed).integers(len(vectors)))
    squares = (vectors**2).sum(1)
    chosen = [first]
    nearest = np.full(len(vectors), np.inf, np.float32)
    while len(chosen) < count:
        last = vectors[chosen[-1]]
        nearest = np.minimum(nearest, squares - 2 * (vectors @ last) + last @ last)
        nearest[chosen[-1]] = -1  # not again, where several are the same
        chosen.append(int(np.argmax(nearest)))
    return np.array(chosen[:count], np.int64)


def pca(vectors: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Return the principal components of vectors (N, D), float32 (N, dimensions), the same every time."""
    from scipy.linalg import eigh  # loaded when it is needed

    centred = vectors - vectors.mean(0)
    size, most = centred.shape[1], min(dimensions, centred.shape[1])
    axes = eigh(centred.T @ centred, subset_by_index=[size - most, size - 1])[1][:, ::-1]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1)  # an axis may point either way
    found = centred @ axes
    return np.pad(found, ((0, 0), (0, dimensions - found.shape[1]))).astype(np.float32)


def tsne(vectors: np.ndarray) -> np.ndarray:
    """Return vectors on a plane by t-SNE, float32 (N, 2), the same every time; ModuleNotFoundError without scikit-learn.

    It keeps neighbours together, and says little of what is far apart. Some thousand items take a minute: PCA is quicker.
    """
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("t-SNE needs scikit-learn: pip install 'cdwidget[curate]'; projection='pca' needs nothing") from error
    if len(vectors) < 5:
        return pca(vectors)
    few = pca(vectors, min(COMPONENTS, max(2, vectors.shape[1])))
    start = 1e-4 * few[:, :2] / max(float(few[:, 0].std()), 1e-12)  # as scikit-learn's own init="pca"
    perplexity = min(PERPLEXITY, (len(vectors) - 1) / 3)
    found: np.ndarray = TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(few)
    return found.astype(np.float32)


PROJECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pca": pca, "tsne": tsne}


def project(vectors: np.ndarray, projection: str = "pca") -> np.ndarray:
    """Return vectors (N, D) as points of a plane, float32 (N, 2), within -1..1; projection: a name in PROJECTIONS."""
    place = lookup(PROJECTIONS, projection, "projection")
    if not len(vectors):
        return np.zeros((0, 2), np.float32)
    points = place(vectors)
    centred = points - (points.max(0) + points.min(0)) / 2
    return (centred / max(float(np.abs(centred).max()), 1e-12)).astype(np.float32)


def _json(ids: Sequence[int] | np.ndarray) -> str:
    return json.dumps([int(id) for id in ids])


# MERGED from review.duplicates: Images that show nearly the same: found by a fingerprint of how bright they are where.


SIDE = 9  # cells of the small picture, across and down
BITS = 2 * SIDE * (SIDE - 1)  # of a fingerprint: neighbours across, then down
BYTES = BITS // 8
ALIKE = 16  # bits that may differ in near-duplicates; of 600 photographs, no two different ones differ in less than 34
TONE = 24  # grey levels by which their mean colours may
AT_ONCE = 500
THREADS = 4
BLOCK = 1000  # fingerprints that are compared with all others at a time


class Pair(NamedTuple):
    """Two images, by their indices, and how many bits of their fingerprints differ."""

    first: int
    second: int
    bits: int


def fingerprint(image: np.ndarray) -> np.ndarray:
    """Return what is left of an image when it is made small: uint8 (21,), 144 bits and the mean colour.

    A bit says whether a cell of 9 x 9 is brighter than its neighbour to the right, or below (dHash). Other sizes, compression and small
    changes of brightness leave it nearly as it is; turning and mirroring do not.
    """
    small = cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.int16)
    bits = np.concatenate([(np.diff(grey, axis=axis) < 0).ravel() for axis in (1, 0)])
    return np.concatenate([np.packbits(bits), small.mean((0, 1)).round().astype(np.uint8)])


def fingerprints(catalogue: Catalogue, ids: np.ndarray, progress: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Return the fingerprints of items' images, uint8 (N, 21), and whether each is known, bool (N,): of an image that can be read.

    Those that the catalogue does not have yet are made and kept there.
    """
    wanted = [int(id) for id in ids]
    sql = "SELECT item, value FROM fingerprints WHERE item IN (SELECT value FROM json_each(?))"
    known = dict(catalogue.database.rows(sql, (json.dumps(wanted),)))
    left = list(catalogue.rows(id for id in wanted if id not in known))

    def look(path: str) -> bytes | None:
        try:
            return fingerprint(read(path)).tobytes()
        except (OSError, ValueError):  # `check` lists them
            return None

    with ThreadPoolExecutor(THREADS) as pool, tqdm(
        total=len(left), unit="image", desc="compare", disable=not left or (None if progress is None else not progress)
    ) as bar:  # fmt: skip
        for start in range(0, len(left), AT_ONCE):
            rows = left[start : start + AT_ONCE]
            made = {row.id: value for row, value in zip(rows, pool.map(look, [row.path for row in rows])) if value is not None}
            with catalogue.database.transaction() as connection:
                connection.executemany("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", made.items())
            known |= made
            bar.update(len(rows))
    found = np.array([id in known for id in wanted], bool)
    nothing = bytes(BYTES + 3)
    values = np.frombuffer(b"".join(known.get(id, nothing) for id in wanted), np.uint8).reshape(-1, BYTES + 3)
    return values, found


def alike(values: np.ndarray, most: int = ALIKE) -> list[Pair]:
    """Return the pairs of fingerprints (N, 21) that differ in at most so many bits, and whose mean colours are near.

    All that are about as bright are compared: 10,000 images in a second, 100,000 in a minute.
    """
    order = np.argsort(values[:, -1], kind="stable")
    tones = values[order, BYTES:].astype(np.int16)
    signs = 2 * np.unpackbits(values[order, :BYTES], axis=1).astype(np.float32) - 1
    found = []
    for start in range(0, len(order), BLOCK):
        mine = slice(start, start + BLOCK)
        stop = int(np.searchsorted(tones[:, -1], tones[mine][-1, -1] + TONE, side="right"))
        differ = (BITS - signs[mine] @ signs[start:stop].T) / 2  # (B, BITS) @ (BITS, N) -> (B, N)
        first, second = np.nonzero(differ <= most)
        later = (first < second) & (np.abs(tones[start + first] - tones[start + second]) <= TONE).all(1)
        for i, j in zip(first[later], second[later]):
            low, high = sorted((int(order[start + i]), int(order[start + j])))
            found.append(Pair(low, high, int(differ[i, j])))
    return sorted(found)


def near(vectors: np.ndarray, distance: float) -> list[tuple[int, int, float]]:
    """Return the pairs of vectors of length 1, (N, D), that are at most so far apart, and how far: 1 - their cosine, 0 to 2."""
    found = []
    for start in range(0, len(vectors), BLOCK):
        apart = 1 - vectors[start : start + BLOCK] @ vectors[start:].T
        first, second = np.nonzero(apart <= distance)
        later = first < second
        found += [(start + int(i), start + int(j), float(apart[i, j])) for i, j in zip(first[later], second[later])]
    return found


def groups_of(count: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Return a number for each of `count` things, the same for all that pairs join: the lowest index among them."""
    root = np.arange(count)

    def find(i: int) -> int:
        while root[i] != i:
            root[i] = root[root[i]]
            i = int(root[i])
        return i

    for a, b in pairs:
        low, high = sorted((find(a), find(b)))
        root[high] = low
    return np.array([find(i) for i in range(count)], np.int64)
