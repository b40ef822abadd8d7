"""Images that show nearly the same: found by a fingerprint of how bright they are where."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple, Sequence

import cv2
import numpy as np
from tqdm.auto import tqdm

from cdwidget.review.places import read

if TYPE_CHECKING:
    from cdwidget.review.catalogue import Catalogue

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
