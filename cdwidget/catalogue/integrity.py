"""Images that are not where they were: found, listed, and told where they are now."""

from __future__ import annotations

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any, Callable, Sequence

from tqdm.auto import tqdm

from cdwidget.catalogue.images import fault, is_url, place, stored
from cdwidget.catalogue.rows import Problem
from cdwidget.catalogue.storage import Database

AT_ONCE = 1000
THREADS = 16  # stores far away answer slowly


def check_images(
    database: Database, place_of: Callable[[str], str], decode: bool, progress: bool | None, ids: Sequence[int] | None = None
) -> list[Problem]:
    """Look at every image, or those of these items, note what is wrong in `items.problem`, and return it."""
    problems: list[Problem] = []
    chosen = "" if ids is None else "AND id IN (SELECT value FROM json_each(:ids))"
    wanted = json.dumps(ids)
    (total,) = database.rows(f"SELECT count(*) FROM items WHERE 1 {chosen}", {"ids": wanted})[0]

    def look(row: Sequence[Any]) -> tuple[int, str, str | None, str | None]:
        id, name, height, width, old = row
        path = place_of(name)
        return id, path, fault(path, (height, width) if height else None, decode), old

    last = 0
    with (
        ThreadPoolExecutor(THREADS) as pool,
        tqdm(total=total, unit="image", desc="check", disable=None if progress is None else not progress) as bar,
    ):
        sql = f"SELECT id, path, height, width, problem FROM items WHERE id > :last {chosen} ORDER BY id LIMIT :most"
        while rows := database.rows(sql, {"last": last, "most": AT_ONCE, "ids": wanted}):
            last = rows[-1][0]
            found = list(pool.map(look, rows))
            problems += [Problem(id, path, what) for id, path, what, _ in found if what is not None]
            if new := [(what, id) for id, _, what, old in found if what != old]:
                with database.transaction() as connection:
                    connection.executemany("UPDATE items SET problem = ? WHERE id = ?", new)
            bar.update(len(rows))
    return problems


def relocate_images(database: Database, home: Path, old: str, new: str, who: str) -> int:
    """Put `new` in place of `old` at the beginning of the paths that begin with it, or are it; return how many."""
    first, then = (_whole(path, home) for path in (old, new))
    moved: list[tuple[str, int]] = []
    with database.transaction() as connection:
        for id, name in connection.execute("SELECT id, path FROM items"):
            path = place(name, home)
            if path == first or path.startswith(first.rstrip("/") + "/"):
                moved.append((stored(then.rstrip("/") + path[len(first.rstrip("/")) :], home), id))
        try:
            # by way of names that nobody has, so that two may change places
            connection.executemany("UPDATE items SET path = ? WHERE id = ?", [(f"\x01{id}", id) for _, id in moved])
            connection.executemany("UPDATE items SET path = ?, problem = NULL WHERE id = ?", moved)
        except sqlite3.IntegrityError as error:
            raise ValueError(f"nothing was relocated: another item is already in {new}, under the path of one in {old}") from error
        if moved:
            detail = json.dumps({"old": old, "new": new, "items": len(moved)})
            sql = "INSERT INTO changes (at, who, what, detail) VALUES (?, ?, 'relocate', ?)"
            connection.execute(sql, (time(), who, detail))
    return len(moved)


def _whole(path: str, home: Path) -> str:
    return path if is_url(path) else Path(os.path.abspath(os.path.expanduser(path))).as_posix()
