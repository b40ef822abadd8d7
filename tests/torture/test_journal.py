"""Attacks on journals: damage, hostile files, vanished and replaced files, forks."""

from __future__ import annotations

import errno
import json
import os
import shutil
from itertools import product
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cdwidget.items import Instance
from cdwidget.prompts import Click
from cdwidget.session import Accept, Session
from cdwidget.session.autosave import InUse
from cdwidget.session.files import FOLDER, journal_path
from cdwidget.tools import Brush
from support.attack_budget import attack_reader, seeds
from support.attack_counts import count
from support.journals import draw, notice, opened, saved
from support.processes import run_in_process
from support.scripted_predictor import IMAGE, LEFT_HALF, RIGHT_HALF, RandomPredictor, any_action, snapshot

SAVED = Path(__file__).parents[1] / "data" / "saved_sessions"


# ---- damage ---------------------------------------------------------------------------------------------------------


def damaged(data: bytes, random: Random) -> bytes:
    lines = data.splitlines(keepends=True)
    index = random.randrange(len(lines))
    kind = random.randrange(5)
    if kind == 0:
        position = random.randrange(len(data))
        return data[:position] + bytes([data[position] ^ 1 << random.randrange(8)]) + data[position + 1 :]
    if kind == 1:
        return b"".join(lines[:index] + lines[index + 1 :])
    if kind == 2:
        return b"".join([*lines[: index + 1], lines[index], *lines[index + 1 :]])
    if kind == 3:
        other = random.randrange(len(lines))
        lines[index], lines[other] = lines[other], lines[index]
        return b"".join(lines)
    return data[: random.randrange(len(data))]


def attack_journal(version: int, folder: Path, attacks: int) -> None:
    random, path = Random(version), folder / "a.jsonl"
    if version == 1:
        data = (SAVED / "version-1.jsonl").read_bytes()
    else:
        session = opened(path, RandomPredictor())
        for _ in range(40):
            try:
                session.apply(any_action(random, session))
            except ValueError:
                continue
        session.undo()
        data = path.read_bytes()
    whole = [snapshot(opened_copy(folder / "prefix.jsonl", b"".join(data.splitlines(keepends=True)[:count]))) for count in range(0, 8)]
    for _ in range(attacks):
        hurt = damaged(data, random)
        path = folder / "hurt.jsonl"
        path.write_bytes(hurt)
        try:
            session = opened(path)
        except ValueError as error:
            assert "hurt.jsonl" in str(error)  # The first bytes are not those of a journal.
            count(f"journals of version {version}", "named errors")
            continue
        count(f"journals of version {version}", "told and restored" if notice(session) else "restored")
        if version == 2 and hurt != data and not data.startswith(hurt):
            assert "damaged" in notice(session) or "Earlier edits" in notice(session) or snapshot(session) in whole
        while session.undo():
            pass
        session.apply(Brush(((2.0, 2.0),), 1.0))
        assert snapshot(saved(path)) == snapshot(session)
        for left in folder.glob("hurt*"):
            left.unlink()


@pytest.mark.parametrize("version", [1, 2])
def test_a_damaged_journal_never_prevents_opening_and_is_told(tmp_path: Path, version: int) -> None:
    attack_reader(attack_journal, version, tmp_path, few=20)


def test_lines_in_another_order_restore_the_same_pixels_again(tmp_path: Path) -> None:
    """The first version had no checksums, so the steps need not fit each other: an object returns whose pixels were lost."""
    lines = (SAVED / "version-1.jsonl").read_bytes().splitlines(keepends=True)
    lines[64], lines[68] = lines[68], lines[64]
    session = opened_copy(tmp_path / "a.jsonl", b"".join(lines))
    assert "damaged in line 69" in notice(session)
    while session.undo():
        continue
    assert snapshot(saved(tmp_path / "a.jsonl")) == snapshot(session)


def opened_copy(path: Path, data: bytes) -> Session:
    path.write_bytes(data)
    return opened(path)


def test_everything_after_a_damaged_line_is_restored_from_the_next_snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cdwidget.session.autosave.MIN_SNAPSHOT_DISTANCE_BYTES", 2000)
    path = tmp_path / "a.jsonl"
    session = opened(path)
    draw(session, 60)
    lines = path.read_bytes().splitlines(keepends=True)
    assert sum(b'"kind":"snapshot"' in line for line in lines) >= 2
    expected = snapshot(session)[1:3]
    path.write_bytes(b"".join([*lines[:5], lines[5].replace(b'"n"', b'"m"'), *lines[6:]]))
    again = opened(path)
    assert snapshot(again)[1:3] == expected and "damaged in line 6" in notice(again) and again.can_undo
    draw(again, 1)
    once_more = opened(path)
    assert snapshot(once_more) == snapshot(again) and notice(once_more) == ""
    assert len(list(tmp_path.glob("a.*.jsonl"))) == 1


@pytest.mark.parametrize("change", [b'"size":[14,18]', b'"bbox":'])
def test_a_bomb_in_a_journal_is_refused_before_memory_is_allocated(tmp_path: Path, change: bytes) -> None:
    data = (SAVED / "version-1.jsonl").read_bytes()
    bomb = {b'"size":[14,18]': b'"size":[1000000,1000000]', b'"bbox":': b'"bbox":[0,0,1000000,1000000],"box":'}[change]
    found = data.replace(change, bomb) if change in data else data.replace(change.replace(b":", b": "), bomb)
    assert found != data
    path = tmp_path / "a.jsonl"
    path.write_bytes(found)
    assert "damaged" in notice(opened(path))


# ---- versions -------------------------------------------------------------------------------------------------------


def test_a_journal_of_the_first_version_is_restored_and_then_converted(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    shutil.copy(SAVED / "version-1.jsonl", path)
    expected = json.loads((SAVED / "version-1.expected.json").read_text())
    session = opened(path, RandomPredictor(), instances=[Instance(LEFT_HALF, "cat"), Instance(RIGHT_HALF, "dog", 7)])
    assert notice(session) == "" and session.log() == expected["log"] and session.can_redo
    before = snapshot(session)
    session.apply(Accept("cow"))
    assert path.read_bytes().startswith(b'{"cdwidget_journal":2')
    again = opened(path)
    assert snapshot(again) == snapshot(session)
    again.undo()
    assert snapshot(again)[1:] == before[1:]


@pytest.mark.parametrize("first", [b'{"cdwidget_journal":3,"n":0}\n', b'{"journal":2,"pixels":1}\n', b"[1, 2]\n"])
def test_a_newer_journal_or_another_file_is_refused_and_not_changed(tmp_path: Path, first: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(first)
    with pytest.raises(ValueError, match="so it was not changed"):
        opened(path)
    assert path.read_bytes() == first


def test_a_line_holds_only_the_new_prompt_and_undo_still_works_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    session = opened(
        path, RandomPredictor(), instances=[Instance(RIGHT_HALF, "dog", attributes={"pose": "left"}, extra={"coco": {"id": 3}})]
    )
    random = Random(3)
    for _ in range(60):
        session.apply(Click(random.random() * 18, random.random() * 14, random.random() < 0.5))
    sizes = [len(line) for line in path.read_bytes().splitlines()[1:] if b'"snapshot"' not in line]
    assert max(sizes[-20:]) < 1.5 * max(sizes[:20])
    session.set_attributes({"occluded": True}, 1)
    again = opened(path, RandomPredictor())
    assert snapshot(again) == snapshot(session) and again.instances[0].attributes == {"occluded": True}
    assert again.instances[0].extra == {"coco": {"id": 3}}
    again.undo()
    assert again.instances[0].attributes == {"pose": "left"}
    steps = 0
    while again.undo():
        steps += 1
    assert steps == 60 and not again.mask.any()


# ---- files ----------------------------------------------------------------------------------------------------------


def test_what_was_acknowledged_survives_a_deleted_or_replaced_folder(tmp_path: Path) -> None:
    path = tmp_path / FOLDER / "a.png.jsonl"
    session = opened(path)
    draw(session, 3)
    shutil.rmtree(path.parent)
    draw(session, 2)
    assert snapshot(saved(path)) == snapshot(session)

    session = opened(path)
    shutil.rmtree(path.parent)  # Before the first change.
    draw(session, 1)
    assert snapshot(saved(path)) == snapshot(session)

    session = opened(path)
    draw(session, 1)
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    os.replace(copy, path)  # A client that synchronizes folders replaces files by equal ones.
    draw(session, 2)
    assert snapshot(saved(path)) == snapshot(session) and notice(session) == ""

    session = opened(path)
    draw(session, 1)
    copy.write_bytes(b"something else\n")
    os.replace(copy, path)
    draw(session, 1)
    assert "replaced" in notice(session) and path.with_suffix(".1.jsonl").read_bytes() == b"something else\n"
    assert snapshot(saved(path)) == snapshot(session)

    session = opened(path)
    draw(session, 3)
    os.truncate(path, 100)
    draw(session, 1)
    assert snapshot(saved(path)) == snapshot(session)


@pytest.mark.parametrize(
    ("place", "kind"),
    [("folder", "link"), *product(["a.png.jsonl", "a.png.lock"], ["link", "dangling link", "pipe"])],
)
def test_links_and_pipes_are_neither_followed_nor_waited_for(tmp_path: Path, place: str, kind: str) -> None:
    victim = tmp_path / "victim"
    (tmp_path / "images").mkdir()
    path = tmp_path / "images" / FOLDER / "a.png.jsonl"
    hostile = path.parent if place == "folder" else path.parent / place
    if place == "folder":
        victim.mkdir()
    else:
        path.parent.mkdir()
        if kind == "link":
            victim.write_text("precious")
    if kind == "pipe":
        os.mkfifo(hostile)
    else:
        hostile.symlink_to(victim)
    with pytest.raises(ValueError, match="symbolic link|pipe"):
        opened(path)
    assert not victim.exists() or place == "folder" or victim.read_text() == "precious"
    assert place != "folder" or not list(victim.iterdir())


def test_a_link_to_an_image_has_the_journal_of_the_image(tmp_path: Path) -> None:
    for folder in ("data", "links"):
        (tmp_path / folder).mkdir()
    image, link = tmp_path / "data" / "a.png", tmp_path / "links" / "b.png"
    Image.fromarray(IMAGE).save(image)
    link.symlink_to(image)
    assert journal_path(link) == journal_path(image)
    old = tmp_path / "links" / FOLDER / "b.png.jsonl"
    draw(opened(old), 1)
    assert journal_path(link) == old  # Written by an earlier version.


def test_another_picture_under_the_same_name_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    image = np.full((200, 300, 3), 128, np.uint8)
    draw(opened(path, image=image), 1)
    moved = image.copy()
    moved[50:60, 50:60] = 132
    session = opened(path, image=moved)
    assert session.can_undo and "other pixels" in notice(session)
    assert notice(opened(path, image=image)) == ""


def test_a_disk_without_locks_is_told_and_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    path = tmp_path / "a.jsonl"
    session = opened(path)
    draw(session, 2)
    assert "cannot lock files" in notice(session) and snapshot(saved(path)) == snapshot(session)


def fork_while_drawing(path: Path) -> None:
    session = opened(path)
    for _ in seeds(1):
        draw(session, 2)
        child = os.fork()
        if child == 0:
            try:
                draw(session, 1)
            except InUse as error:
                session.journal.close()  # type: ignore[union-attr]
                os._exit(7 if "forked" in str(error) else 8)
            os._exit(9)
        draw(session, 2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
        assert snapshot(saved(path)) == snapshot(session)
        count("forks of a session", "refused, nothing lost")


def test_a_forked_process_changes_nothing(tmp_path: Path) -> None:
    run_in_process(fork_while_drawing, tmp_path / "a.jsonl")


def test_a_second_session_is_refused_while_the_first_writes(tmp_path: Path) -> None:
    first = opened(tmp_path / "a.jsonl")
    draw(first, 1)
    opened(tmp_path / "a.jsonl")
    with pytest.raises(InUse):
        draw(first, 1)


def test_an_array_of_other_bytes_than_0_and_1_is_a_mask() -> None:
    labels = np.array([[0, 2, 4], [1, 0, 255]], np.uint8)
    session = Session(np.zeros((2, 3, 3), np.uint8), mask=labels.view(bool))
    assert session.mask.view(np.uint8).max() == 1 and (session.mask == (labels > 0)).all()
