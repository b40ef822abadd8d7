"""Counts of a catalogue, and its rows as a data frame."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Sequence

from cdwidget.catalogue.query import RowKind
from cdwidget.catalogue.rows import InstanceRow, ItemRow
from cdwidget.catalogue.schema import STATUSES
from cdwidget.catalogue.storage import Database

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Stats:
    """Counts of a catalogue.

    Attributes:
        items: Number of items of each status.
        instances: Number of instances of each status.
        labels: Number of instances of each label, most frequent first.
        tags: Number of items of each tag, most frequent first.
        scores: Count, mean and maximum of each score.
        changes: Number of history entries of each action, most frequent first.
        problems: Number of items whose image has a problem.
    """

    items: dict[str, int]
    instances: dict[str, int]
    labels: dict[str, int]
    tags: dict[str, int]
    scores: dict[str, tuple[int, float, float]]
    changes: dict[str, int]
    problems: int

    def __str__(self) -> str:
        lines = []
        for name in ("items", "instances", "labels", "tags", "changes"):
            counts: dict[str, int] = getattr(self, name)
            each = ", ".join(f"{key or '(none)'} {count:,}" for key, count in counts.items())
            total = len(counts) if name in ("labels", "tags") else sum(counts.values())
            lines.append(f"{name + ':':<11}{total:>10,}  {each}".rstrip())
        lines += [f"score {name}: {count:,}, mean {mean:.3f}, highest {most:.3f}" for name, (count, mean, most) in self.scores.items()]
        lines += [f"{self.problems:,} images have problems"] if self.problems else []
        return "\n".join(lines)


def compute_stats(database: Database) -> Stats:
    """Count the content of a catalogue."""

    def counts(table: str, column: str) -> dict[str, int]:
        return dict(database.rows(f"SELECT {column}, count(*) FROM {table} GROUP BY {column} ORDER BY count(*) DESC, {column}"))

    items, instances = (counts(table, "status") for table in ("items", "instances"))
    scores = database.rows("SELECT name, count(*), avg(value), max(value) FROM scores GROUP BY name")
    return Stats(
        {status: items[status] for status in STATUSES if status in items},
        {status: instances[status] for status in STATUSES if status in instances},
        counts("instances", "label"),
        counts("tags", "tag"),
        {name: (count, mean, most) for name, count, mean, most in scores},
        counts("changes", "what"),
        database.rows("SELECT count(*) FROM items WHERE problem IS NOT NULL")[0][0],
    )


def rows_to_pandas(database: Database, of: RowKind, rows: Sequence[ItemRow | InstanceRow]) -> pandas.DataFrame:
    """Return rows as a data frame, with a column per score of instances.

    Raises:
        ModuleNotFoundError: If pandas is not installed.
    """
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("to_pandas needs pandas: pip install 'cdwidget[pandas]'") from error
    kind = ItemRow if of == "items" else InstanceRow
    columns = [field.name for field in fields(kind)]
    frame = pandas.DataFrame({name: [getattr(row, name) for row in rows] for name in columns}, columns=columns)
    if of == "instances":
        ids = "[" + ",".join(str(row.id) for row in rows) + "]"
        sql = "SELECT instance, name, value FROM scores WHERE instance IN (SELECT value FROM json_each(?))"
        scores = pandas.DataFrame(database.rows(sql, (ids,)), columns=["id", "name", "value"])
        if len(scores):
            wide = scores.pivot(index="id", columns="name", values="value").add_prefix("score_")
            frame = frame.merge(wide.reset_index(), on="id", how="left")
    return frame
