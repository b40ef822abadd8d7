"""Similarity of images: embeddings, projections, sampling, and near-duplicates."""

from __future__ import annotations

import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from typing import Callable, Iterable, NamedTuple, Sequence

import cv2
import numpy as np
from tqdm.auto import tqdm

from cdwidget.catalogue.reader import Reader, Row
from cdwidget.catalogue.windows import read_windows
from cdwidget.images.remote import load_image
from cdwidget.registry import lookup

# ---- embeddings --------------------------------------------------------------------------------------------------

EMBED_HINT = "run cdwidget.run(cdwidget.Embed(), catalogue)"
TSNE_COMPONENTS = 30  # principal components that t-SNE starts from; further ones are mostly noise
TSNE_PERPLEXITY = 30  # about the number of neighbors that t-SNE keeps close


def put_embedding(catalogue: Reader, item_id: int, vector: np.ndarray, model: str) -> None:
    """Store the embedding of an item's image, replacing an earlier one.

    Args:
        catalogue: The catalogue.
        item_id: The item's id.
        vector: The embedding, float (D,).
        model: Description of the model that computed it; only embeddings of one model can be compared.

    Raises:
        ValueError: If the vector has another shape, or values that are not finite.
    """
    if vector.ndim != 1 or not np.isfinite(vector).all():
        raise ValueError(f"an embedding is a vector of finite numbers (D,), not {vector.shape}")
    row = (item_id, model, vector.astype("<f2").tobytes())
    catalogue.database.write(sqlite3.Connection.execute, "INSERT OR REPLACE INTO embeddings VALUES (?, ?, ?)", row)


def read_embeddings(catalogue: Reader, ids: Sequence[int] | np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the embeddings of items, standardized over these items.

    Args:
        catalogue: The catalogue.
        ids: Item ids; None for all.

    Returns:
        The ids of the items that have an embedding, int64 (N,), in the order of `ids`, and their embeddings, float32 (N, D).

    Raises:
        ValueError: If the embeddings were computed by several models.
    """
    chosen, given = ("", ()) if ids is None else (" WHERE item IN (SELECT value FROM json_each(?))", (_json(ids),))
    models = catalogue.database.rows(f"SELECT DISTINCT model FROM embeddings{chosen}", given)
    if len(models) > 1:
        names = ", ".join(sorted(name for (name,) in models))
        raise ValueError(f"the embeddings are from several models ({names}) and cannot be compared; {EMBED_HINT}")
    rows = catalogue.database.rows(f"SELECT item, vector FROM embeddings{chosen} ORDER BY item", given)
    found = np.array([item for item, _ in rows], np.int64)
    vectors = np.frombuffer(b"".join(vector for _, vector in rows), "<f2").reshape(len(rows), -1 if rows else 0).astype(np.float32)
    if ids is not None:
        wanted = np.asarray(ids, np.int64)
        order = np.searchsorted(found, wanted[np.isin(wanted, found)])  # The rows are sorted by id.
        found, vectors = found[order], vectors[order]
    return found, standardize(vectors)


def standardize(vectors: np.ndarray) -> np.ndarray:
    """Standardize vectors (N, D) to mean 0 and deviation 1 per dimension, then to length 1.

    Without it, a few dimensions of large variance would decide alone. Constant dimensions become 0.
    """
    if not len(vectors):
        return vectors
    centered = vectors - vectors.mean(0)
    deviation = centered.std(0)
    scaled = centered / np.where(deviation > 1e-6, deviation, np.inf)
    lengths = np.linalg.norm(scaled, axis=1, keepdims=True)
    return (scaled / np.maximum(lengths, 1e-12)).astype(np.float32)


def farthest_point_sampling(vectors: np.ndarray, count: int, seed: int | None = None) -> np.ndarray:
    """Choose vectors that are far apart (Gonzalez 1985).

    Each step chooses the vector farthest from all chosen ones, so the largest gap is at most twice the smallest possible one. Outliers
    are chosen first, including faulty images.

    Args:
        vectors: Candidates, float (N, D).
        count: Number of vectors to choose.
        seed: Start from a random vector; None to start from the medoid, which is nearest to all others.

    Returns:
        Indices of the chosen vectors in the order of choice, int64 (count,).
    """
    if seed is None:
        first = int(np.argmin(((vectors - vectors.mean(0)) ** 2).sum(1)))  # The vector nearest to the mean has the least squared distances.
    else:
        first = int(np.random.default_rng(seed).integers(len(vectors)))
    squares = (vectors**2).sum(1)
    chosen = [first]
    nearest = np.full(len(vectors), np.inf, np.float32)
    while len(chosen) < count:
        last = vectors[chosen[-1]]
        nearest = np.minimum(nearest, squares - 2 * (vectors @ last) + last @ last)
        nearest[chosen[-1]] = -1  # Never choose a vector twice, even among equal ones.
        chosen.append(int(np.argmax(nearest)))
    return np.array(chosen[:count], np.int64)


def pca(vectors: np.ndarray, dimensions: int = 2) -> np.ndarray:
    """Return the principal components of vectors (N, D), float32 (N, dimensions)."""
    from scipy.linalg import eigh  # SciPy takes long to import.

    centered = vectors - vectors.mean(0)
    size, count = centered.shape[1], min(dimensions, centered.shape[1])
    axes = eigh(centered.T @ centered, subset_by_index=[size - count, size - 1])[1][:, ::-1]
    axes = axes * np.where(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])] < 0, -1, 1)  # Fixes the sign of each axis.
    found = centered @ axes
    return np.pad(found, ((0, 0), (0, dimensions - found.shape[1]))).astype(np.float32)


def tsne(vectors: np.ndarray) -> np.ndarray:
    """Project vectors (N, D) to a plane by t-SNE, float32 (N, 2).

    Deterministic. Neighbors stay close; large distances mean little. Several thousand items take a minute; PCA is faster.

    Raises:
        ModuleNotFoundError: If scikit-learn is not installed.
    """
    try:
        from sklearn.manifold import TSNE
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "t-SNE needs scikit-learn: pip install 'cdwidget[curate]', or use projection='pca', which needs nothing"
        ) from error
    if len(vectors) < 5:
        return pca(vectors)
    components = pca(vectors, min(TSNE_COMPONENTS, max(2, vectors.shape[1])))
    start = 1e-4 * components[:, :2] / max(float(components[:, 0].std()), 1e-12)  # as scikit-learn's init="pca"
    perplexity = min(TSNE_PERPLEXITY, (len(vectors) - 1) / 3)
    found: np.ndarray = TSNE(perplexity=perplexity, init=start, random_state=0).fit_transform(components)
    return found.astype(np.float32)


PROJECTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {"pca": pca, "tsne": tsne}


def project(vectors: np.ndarray, projection: str = "pca") -> np.ndarray:
    """Project vectors (N, D) to points of a plane.

    Args:
        vectors: Embeddings, float32 (N, D).
        projection: A name of PROJECTIONS.

    Returns:
        Points in [-1, 1], float32 (N, 2).
    """
    to_plane = lookup(PROJECTIONS, projection, "projection")
    if not len(vectors):
        return np.zeros((0, 2), np.float32)
    points = to_plane(vectors)
    centered = points - (points.max(0) + points.min(0)) / 2
    return (centered / max(float(np.abs(centered).max()), 1e-12)).astype(np.float32)


# ---- near-duplicates ---------------------------------------------------------------------------------------------

FINGERPRINT_CELLS = 9  # cells per side of the reduced image
FINGERPRINT_BITS = 2 * FINGERPRINT_CELLS * (FINGERPRINT_CELLS - 1)
FINGERPRINT_BYTES = FINGERPRINT_BITS // 8
MAX_DIFFERENT_BITS = 16  # Limit for near-duplicates; different photographs (of 600) differ in 34 bits or more.
MAX_COLOR_DIFFERENCE = 24  # gray levels between the mean colors of near-duplicates
FINGERPRINT_BATCH_ITEMS = 500
FINGERPRINT_THREADS = 4
COMPARISON_BLOCK = 1000  # fingerprints or vectors compared with all others at a time


class DuplicatePair(NamedTuple):
    """The indices of two near-duplicates, and how many bits of their fingerprints differ."""

    first: int
    second: int
    bits: int


def fingerprint(image: np.ndarray) -> np.ndarray:
    """Return the perceptual hash (dHash) and the mean color of an image.

    A bit is set if a cell of the image reduced to 9 x 9 is brighter than its right or lower neighbor. Resizing, compression and small
    changes of brightness keep most bits; rotation and mirroring do not.

    Args:
        image: uint8 (H, W, 3) RGB.

    Returns:
        144 bits and the mean color, uint8 (21,).
    """
    small = cv2.resize(image, (FINGERPRINT_CELLS, FINGERPRINT_CELLS), interpolation=cv2.INTER_AREA)
    gray = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.int16)
    bits = np.concatenate([(np.diff(gray, axis=axis) < 0).ravel() for axis in (1, 0)])
    return np.concatenate([np.packbits(bits), small.mean((0, 1)).round().astype(np.uint8)])


def read_fingerprints(catalogue: Reader, ids: np.ndarray, progress: bool | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Read the fingerprints of items' images; missing ones are computed and stored.

    Args:
        catalogue: The catalogue.
        ids: Item ids, int64 (N,).
        progress: Show a progress bar; None shows it only in a terminal or notebook.

    Returns:
        The fingerprints, uint8 (N, 21), and whether each image could be read, bool (N,).
    """
    wanted = [int(id) for id in ids]
    sql = "SELECT item, value FROM fingerprints WHERE item IN (SELECT value FROM json_each(?))"
    known = dict(catalogue.database.rows(sql, (_json(wanted),)))
    missing = list(catalogue.rows(id for id in wanted if id not in known))

    windows = read_windows(catalogue.database, (row.id for row in missing))

    def compute(row: Row) -> bytes | None:
        try:
            return fingerprint(load_image(row.path, windows.get(row.id))).tobytes()
        except (OSError, ValueError):  # `Catalogue.check` reports unreadable images.
            return None

    with ThreadPoolExecutor(FINGERPRINT_THREADS) as pool, tqdm(
        total=len(missing), unit="image", desc="compare", disable=not missing or (None if progress is None else not progress)
    ) as bar:  # fmt: skip
        for start in range(0, len(missing), FINGERPRINT_BATCH_ITEMS):
            rows = missing[start : start + FINGERPRINT_BATCH_ITEMS]
            computed = {row.id: value for row, value in zip(rows, pool.map(compute, rows)) if value is not None}
            if not catalogue.database.read_only:
                sql = "INSERT OR REPLACE INTO fingerprints VALUES (?, ?)"
                catalogue.database.write(sqlite3.Connection.executemany, sql, list(computed.items()))
            known |= computed
            bar.update(len(rows))
    found = np.array([id in known for id in wanted], bool)
    blank = bytes(FINGERPRINT_BYTES + 3)
    values = np.frombuffer(b"".join(known.get(id, blank) for id in wanted), np.uint8).reshape(-1, FINGERPRINT_BYTES + 3)
    return values, found


def near_duplicates(fingerprints: np.ndarray, max_bits: int = MAX_DIFFERENT_BITS) -> list[DuplicatePair]:
    """Find the pairs of fingerprints that differ in few bits and have similar mean colors.

    All pairs of about the same brightness are compared: 10,000 images take a second, 100,000 a minute.

    Args:
        fingerprints: uint8 (N, 21).
        max_bits: Maximum number of different bits.

    Returns:
        The pairs, sorted.
    """
    order = np.argsort(fingerprints[:, -1], kind="stable")
    colors = fingerprints[order, FINGERPRINT_BYTES:].astype(np.int16)
    signs = 2 * np.unpackbits(fingerprints[order, :FINGERPRINT_BYTES], axis=1).astype(np.float32) - 1
    found = []
    for start in range(0, len(order), COMPARISON_BLOCK):
        block = slice(start, start + COMPARISON_BLOCK)
        stop = int(np.searchsorted(colors[:, -1], colors[block][-1, -1] + MAX_COLOR_DIFFERENCE, side="right"))
        different = (FINGERPRINT_BITS - signs[block] @ signs[start:stop].T) / 2  # (B, bits) @ (bits, N) -> (B, N)
        first, second = np.nonzero(different <= max_bits)
        kept = (first < second) & (np.abs(colors[start + first] - colors[start + second]) <= MAX_COLOR_DIFFERENCE).all(1)
        for i, j in zip(first[kept], second[kept]):
            low, high = sorted((int(order[start + i]), int(order[start + j])))
            found.append(DuplicatePair(low, high, int(different[i, j])))
    return sorted(found)


def near_vectors(vectors: np.ndarray, max_distance: float) -> list[tuple[int, int, float]]:
    """Find the pairs of vectors with a small cosine distance.

    Args:
        vectors: Vectors of length 1, (N, D).
        max_distance: Maximum of 1 - cosine, in [0, 2].

    Returns:
        (first index, second index, distance) of each pair.
    """
    found = []
    for start in range(0, len(vectors), COMPARISON_BLOCK):
        distances = 1 - vectors[start : start + COMPARISON_BLOCK] @ vectors[start:].T
        first, second = np.nonzero(distances <= max_distance)
        kept = first < second
        found += [(start + int(i), start + int(j), float(distances[i, j])) for i, j in zip(first[kept], second[kept])]
    return found


def connected_groups(count: int, pairs: Sequence[tuple[int, int]]) -> np.ndarray:
    """Group elements that are connected by pairs.

    Args:
        count: Number of elements.
        pairs: Indices of connected elements.

    Returns:
        The lowest index of each element's group, int64 (count,).
    """
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


def _json(ids: Iterable[int] | np.ndarray) -> str:
    return json.dumps([int(id) for id in ids])
