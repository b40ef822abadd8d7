"""Journals and logs of earlier versions still open. The files in data/saved_sessions were written by the code of 2026-11-27."""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

from cdwidget.items import Instance
from cdwidget.rle import encode_uncompressed
from cdwidget.session import Session, action_to_json
from cdwidget.session.autosave import FileJournal
from support.scripted_predictor import RandomPredictor

FOLDER = Path(__file__).parent / "data" / "saved_sessions"
EXPECTED_SESSIONS = json.loads((FOLDER / "expected.json").read_text())


def describe(session: Session) -> dict[str, Any]:
    """Return everything that a session holds, with checksums in place of large arrays."""
    sources = {"size": [session.height, session.width], "crc32": zlib.crc32(session.sources.tobytes())}
    return {
        "selected": session.selected,
        "locked": session.locked,
        "label": session.label,
        "alternatives": session.alternatives,
        "can_undo": session.can_undo,
        "can_redo": session.can_redo,
        "prompts": [action_to_json(prompt) for prompt in session.prompts],
        "sources": sources,
        "label_map": zlib.crc32(session.label_map(ids=True).tobytes()),
        "instances": [describe_instance(instance) for instance in session.instances],
    }


def describe_instance(instance: Instance) -> dict[str, Any]:
    alpha = None if instance.alpha is None else zlib.crc32(instance.alpha.tobytes())
    return {"id": instance.id, "label": instance.label, "mask": encode_uncompressed(instance.mask), "alpha_crc32": alpha}


def test_an_earlier_journal_restores_the_same_session(tmp_path: Path) -> None:
    for name in ("photo.png", "photo.png.jsonl"):
        shutil.copy(FOLDER / name, tmp_path)
    journal = FileJournal(tmp_path / "photo.png.jsonl")
    session = Session(tmp_path / "photo.png", RandomPredictor())
    journal.resume(session)
    assert journal.notice == ""
    assert describe(session) == EXPECTED_SESSIONS["journal"]
    assert session.log() == EXPECTED_SESSIONS["journal_log"]
    steps = 0
    while session.undo():
        steps += 1
    for _ in range(steps):
        session.redo()
    assert describe(session) == EXPECTED_SESSIONS["journal"]
    journal.close()


def test_an_earlier_log_replays_to_the_same_session() -> None:
    log = json.loads((FOLDER / "log.json").read_text())
    session = Session.replay(FOLDER / "photo.png", RandomPredictor(), log)
    assert describe(session) == EXPECTED_SESSIONS["log"]
    assert session.log() == log
