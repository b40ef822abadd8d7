"""The progress of a job, kept in the catalogue so that an interrupted run resumes."""

from __future__ import annotations

import json
import sqlite3
from typing import Iterable

import numpy as np

from cdwidget.catalogue.storage import Database


class JobState:
    """The items that a job has processed with one setting; see `Catalogue.job_state`."""

    def __init__(self, database: Database, job: str, setting: str) -> None:
        self._database, self._job, self._setting = database, job, setting

    def pending(self, ids: Iterable[int] | None = None) -> np.ndarray:
        """Return the items still to process, including items that changed after they were processed.

        Args:
            ids: Item ids to consider; None for all items.

        Returns:
            Item ids, int64 (N,).

        Raises:
            ValueError: If an id does not exist.
        """
        pending = self._ids(
            "SELECT items.id FROM items LEFT JOIN done ON item = items.id AND job = ? WHERE setting IS NOT ? OR done.drawn != items.drawn",
            self._job, self._setting,
        )  # fmt: skip
        if ids is None:
            return pending
        wanted = np.fromiter(ids, np.int64)
        if len(missing := np.setdiff1d(wanted, self._ids("SELECT id FROM items"))):
            raise ValueError(f"there are no items {missing[:10].tolist()} in {self._database.path}")
        return wanted[np.isin(wanted, pending)]

    def mark_done(self, item: int, lasting: bool = False) -> None:
        """Record that the job has processed an item as it is now.

        Args:
            item: The item's id.
            lasting: Do not process the item again even if its masks change.
        """
        sql = f"INSERT OR REPLACE INTO done SELECT id, ?, ?, {'NULL' if lasting else 'drawn'} FROM items WHERE id = ?"
        self._database.write(sqlite3.Connection.execute, sql, (self._job, self._setting, item))

    def reset(self, ids: Iterable[int] | None = None) -> None:
        """Record that the job has processed none of these items; None for all."""
        chosen = "" if ids is None else "AND item IN (SELECT value FROM json_each(?))"
        given = () if ids is None else (json.dumps([int(id) for id in ids]),)
        self._database.write(sqlite3.Connection.execute, f"DELETE FROM done WHERE job = ? {chosen}", (self._job, *given))

    def _ids(self, sql: str, *parameters: str) -> np.ndarray:
        rows = self._database.rows(sql, parameters)
        return np.fromiter((row[0] for row in rows), np.int64, len(rows))
