"""Which items a job has been done on, so that one which was killed goes on where it was."""

from __future__ import annotations

import json
from typing import Iterable

import numpy as np

from cdwidget.catalogue.storage import Database


class Work:
    """What is left of one job, done with one setting, on the items of a catalogue; see `Catalogue.work`."""

    def __init__(self, database: Database, job: str, setting: str) -> None:
        self._database, self._job, self._setting = database, job, setting

    def left(self, ids: Iterable[int] | None = None) -> np.ndarray:
        """Return the ids of the items, or those of `ids`, that it has still to be done on, int64 (N,): also those that changed since.

        ValueError for an id there is not.
        """
        left = self._ids(
            "SELECT items.id FROM items LEFT JOIN done ON item = items.id AND job = ? WHERE setting IS NOT ? OR done.drawn != items.drawn",
            self._job, self._setting,
        )  # fmt: skip
        if ids is None:
            return left
        wanted = np.fromiter(ids, np.int64)
        if len(gone := np.setdiff1d(wanted, self._ids("SELECT id FROM items"))):
            raise ValueError(f"there are no items {gone[:10].tolist()} in {self._database.path}")
        return wanted[np.isin(wanted, left)]

    def mark(self, item: int, lasting: bool = False) -> None:
        """Say that it has been done on an item as it is now; lasting: and need not be done again whatever becomes of the item."""
        sql = f"INSERT OR REPLACE INTO done SELECT id, ?, ?, {'NULL' if lasting else 'drawn'} FROM items WHERE id = ?"
        with self._database.transaction() as connection:
            connection.execute(sql, (self._job, self._setting, item))

    def forget(self, ids: Iterable[int] | None = None) -> None:
        """Say that it is to be done again, on all items or on these."""
        chosen = "" if ids is None else "AND item IN (SELECT value FROM json_each(?))"
        given = () if ids is None else (json.dumps([int(id) for id in ids]),)
        with self._database.transaction() as connection:
            connection.execute(f"DELETE FROM done WHERE job = ? {chosen}", (self._job, *given))

    def _ids(self, sql: str, *parameters: str) -> np.ndarray:
        rows = self._database.rows(sql, parameters)
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))
