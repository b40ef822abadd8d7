"""Check the images of a catalogue, and relocate moved images."""

from __future__ import annotations

import json
import os
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import time
from typing import Any, Callable, Sequence

from tqdm.auto import tqdm

from cdwidget.catalogue.images import file_identity, image_problem, relative_to_catalogue, resolve_path
from cdwidget.catalogue.rows import Problem
from cdwidget.catalogue.storage import Database
from cdwidget.images.remote import is_url

CHECK_BATCH_ITEMS = 1000
CHECK_THREADS = 16  # Remote stores answer slowly.


def check_images(
    database: Database, resolve: Callable[[str], str], decode: bool, progress: bool | None, ids: Sequence[int] | None = None
) -> list[Problem]:
    """Check images, store their problems in `items.problem`, and return them.

    Args:
        database: The catalogue's file.
        resolve: Returns the path or URL of a stored name.
        decode: Read all pixels, not only the headers.
        progress: Show a progress bar; None shows it only in a terminal or notebook.
        ids: Items to check; None for all.

    Returns:
        The problems in the order of the items.
    """
    problems: list[Problem] = []
    chosen = "" if ids is None else "AND id IN (SELECT value FROM json_each(:ids))"
    wanted = json.dumps(ids)
    (total,) = database.rows(f"SELECT count(*) FROM items WHERE 1 {chosen}", {"ids": wanted})[0]

    def check(row: Sequence[Any]) -> tuple[str, str | None, Any]:
        _, name, height, width, _ = row
        path = resolve(name)
        problem = image_problem(path, (height, width) if height else None, decode)
        return path, problem, None if problem else file_identity(path)

    last = 0
    first: dict[Any, int] = {}  # The first item of each file.
    with (
        ThreadPoolExecutor(CHECK_THREADS) as pool,
        tqdm(total=total, unit="image", desc="check", disable=None if progress is None else not progress) as bar,
    ):
        sql = f"SELECT id, path, height, width, problem FROM items WHERE id > :last {chosen} ORDER BY id LIMIT :limit"
        while rows := database.rows(sql, {"last": last, "limit": CHECK_BATCH_ITEMS, "ids": wanted}):
            last = rows[-1][0]
            changed = []
            for (id, *_, old), (path, problem, identity) in zip(rows, pool.map(check, rows)):
                if identity is not None and first.setdefault(identity, id) != id:
                    problem = f"linked: it is the same file as item {first[identity]}, which has labels of its own"
                if problem is not None:
                    problems.append(Problem(id, path, problem))
                if problem != old:
                    changed.append((problem, id))
            if changed and not database.read_only:
                database.write(sqlite3.Connection.executemany, "UPDATE items SET problem = ? WHERE id = ?", changed)
            bar.update(len(rows))
    return problems


def relocate_images(database: Database, folder: Path, old: str, new: str, user: str) -> int:
    """Replace `old` by `new` in all paths that are `old` or lie below it.

    Args:
        database: The catalogue's file.
        folder: The folder of that file.
        old: Former path of a file or folder, or URL.
        new: Its new path or URL.
        user: Recorded in the history.

    Returns:
        The number of relocated items.

    Raises:
        ValueError: If another item already has one of the new paths; nothing is changed then.
    """
    return database.write(_relocate, folder, old, new, user)


def _relocate(connection: sqlite3.Connection, folder: Path, old: str, new: str, user: str) -> int:
    before, after = (_absolute(path) for path in (old, new))
    moved: list[tuple[str, int]] = []
    for id, name in connection.execute("SELECT id, path FROM items"):
        path = resolve_path(name, folder)
        if path == before or path.startswith(before.rstrip("/") + "/"):
            moved.append((relative_to_catalogue(after.rstrip("/") + path[len(before.rstrip("/")) :], folder), id))
    try:
        # Temporary unique names let two items exchange their paths.
        connection.executemany("UPDATE items SET path = ? WHERE id = ?", [(f"\x01{id}", id) for _, id in moved])
        connection.executemany("UPDATE items SET path = ?, problem = NULL WHERE id = ?", moved)
    except sqlite3.IntegrityError as error:
        raise ValueError(f"nothing was relocated: another item already has a path in {new} that one in {old} would get") from error
    if moved:
        detail = json.dumps({"old": old, "new": new, "items": len(moved)})
        connection.execute("INSERT INTO changes (at, who, what, detail) VALUES (?, ?, 'relocate', ?)", (time(), user, detail))
    return len(moved)


def _absolute(path: str) -> str:
    return path if is_url(path) else Path(os.path.abspath(os.path.expanduser(path))).as_posix()
