"""Disks that are full or fail: nothing is lost, the error says so, and the change can be repeated."""

from __future__ import annotations

import errno
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import pytest
from test_kills import catalogue_of, change_item, content, items, opened, step

import cdwidget
from cdwidget import Catalogue
from cdwidget.formats import FORMATS
from cdwidget.session import Session
from support.attack_budget import seeds
from support.attack_counts import count
from support.processes import run_in_process
from support.scripted_predictor import IMAGE, RandomPredictor, snapshot


@contextmanager
def file_limit(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond a size, as on a full disk."""
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


@contextmanager
def failing_fsync(random: Random) -> Iterator[None]:
    """Fail one of the next calls of `os.fsync`, as a broken disk does."""
    fsync, left = os.fsync, random.randrange(3)

    def fail(file: Any) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(errno.EIO, "Input/output error")
        fsync(file)

    os.fsync = fail
    try:
        yield
    finally:
        os.fsync = fsync


def largest_file(folder: Path) -> int:
    return max((path.stat().st_size for path in folder.rglob("*") if path.is_file()), default=0)


@contextmanager
def faulty_disk(kind: str, folder: Path, random: Random) -> Iterator[None]:
    """Make the disk fail in one way, and count the attack by its result."""
    fault = file_limit(random.randrange(largest_file(folder) + 300)) if kind == "full" else failing_fsync(random)
    try:
        with fault:
            yield
        count(f"{kind} disks", "written in time")
    except (OSError, ValueError):
        count(f"{kind} disks", "refused, nothing lost")
        raise


def edit_on_faulty_disk(kind: str, folder: Path) -> None:
    path, random = folder / "a.jsonl", Random(0)
    session, twin = opened(path), Session(IMAGE, RandomPredictor())
    for seed in seeds(20):
        before = snapshot(session)
        try:
            with faulty_disk(kind, folder, random):
                step(session, Random(seed))
        except OSError as error:
            assert "could not be saved" in str(error) and "repeat it" in str(error)
            assert snapshot(session) == before
            step(session, Random(seed))
        step(twin, Random(seed))
        assert snapshot(session) == snapshot(twin), seed
        if seed % 10 == 9:
            session = opened(path)
            assert snapshot(session) == snapshot(twin), seed


def change_catalogue_on_full_disk(folder: Path) -> None:
    path, random = folder / "labels.db", Random(0)
    catalogue = catalogue_of(path)
    twin = Catalogue(":memory:", user="test")
    twin.add(catalogue.items())
    for seed in seeds(20):
        item = random.randint(1, 8)
        try:
            with faulty_disk("full", folder, random):
                change_item(catalogue, item, Random(seed))
        except (OSError, ValueError) as error:
            assert "labels.db" in str(error)
            assert content(catalogue, item) == content(twin, item)
            change_item(catalogue, item, Random(seed))
        change_item(twin, item, Random(seed))
        assert content(catalogue, item) == content(twin, item), seed
        if seed % 10 == 9:
            catalogue.close()
            catalogue = Catalogue(path, user="test")
    assert catalogue.database.rows("PRAGMA integrity_check") == [("ok",)]


def export_on_faulty_disk(kind: str, format: str, folder: Path) -> None:
    out, random, label = folder / "out", Random(0), "cat"
    cdwidget.write(format, items(folder / "images", label), out)
    for _ in seeds(2, tests=len(FORMATS)):
        other = "dog" if label == "cat" else "cat"
        try:
            with faulty_disk(kind, out if out.is_dir() else out.parent, random):
                cdwidget.write(format, items(folder / "images", other), out)
            label = other
        except OSError as error:
            assert str(out) in str(error), error
        dataset = cdwidget.read(format, out)
        is_large = {instance.area > 200 for item in dataset for instance in item.instances}
        assert (len(dataset), is_large, list(dataset.problems)) == (3, {label == "cat"}, [])
        assert not list(out.parent.rglob(".*.tmp"))


@pytest.mark.parametrize("kind", ["full", "failing"])
def test_an_edit_on_a_faulty_disk_is_refused_and_can_be_repeated(tmp_path: Path, kind: str) -> None:
    run_in_process(edit_on_faulty_disk, kind, tmp_path)


def test_a_change_of_a_catalogue_on_a_full_disk_is_refused_and_can_be_repeated(tmp_path: Path) -> None:
    run_in_process(change_catalogue_on_full_disk, tmp_path)


@pytest.mark.parametrize("kind", ["full", "failing"])
@pytest.mark.parametrize("format", FORMATS)
def test_an_export_to_a_faulty_disk_leaves_one_whole_data_set(tmp_path: Path, format: str, kind: str) -> None:
    run_in_process(export_on_faulty_disk, kind, format, tmp_path)
