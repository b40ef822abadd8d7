"""Intensity windows through which the images of items are read; they are stored with the items."""

from __future__ import annotations

import json
import sqlite3
from time import time
from typing import Iterable

from cdwidget.catalogue.records import from_json, to_json
from cdwidget.catalogue.storage import Database
from cdwidget.images import Window, WindowLike
from cdwidget.items import window_of, with_window


def read_windows(database: Database, items: Iterable[int]) -> dict[int, Window]:
    """Return the window of each item that has one."""
    sql = "SELECT id, extra FROM items WHERE id IN (SELECT value FROM json_each(?)) AND extra IS NOT NULL"
    found = ((item, window_of(from_json(extra))) for item, extra in database.rows(sql, (json.dumps(sorted(set(items))),)))
    return {item: window for item, window in found if window is not None}


def write_windows(connection: sqlite3.Connection, items: Iterable[int], window: WindowLike) -> None:
    """Set the window of items inside the open transaction; jobs process these items again."""
    for item in items:
        (extra,) = connection.execute("SELECT extra FROM items WHERE id = ?", (item,)).fetchone()
        changed = to_json(with_window(from_json(extra), window))
        connection.execute("UPDATE items SET extra = ?, drawn = drawn + 1, changed = ? WHERE id = ?", (changed, time(), item))
        connection.execute("DELETE FROM fingerprints WHERE item = ?", (item,))
