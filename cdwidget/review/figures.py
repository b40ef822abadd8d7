"""A catalogue in numbers: a frame of its rows, and counts."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Sequence

from cdwidget.review.database import Database
from cdwidget.review.rows import InstanceRow, ItemRow
from cdwidget.review.schema import STATUSES
from cdwidget.review.selection import Of

if TYPE_CHECKING:
    import pandas


@dataclass(frozen=True)
class Stats:
    """How many there are of what in a catalogue. scores: name -> how many, their mean, the highest."""

    items: dict[str, int]
    instances: dict[str, int]
    labels: dict[str, int]
    tags: dict[str, int]
    scores: dict[str, tuple[int, float, float]]
    changes: dict[str, int]
    problems: int

    def __str__(self) -> str:
        lines = []
        for what in ("items", "instances", "labels", "tags", "changes"):
            counts: dict[str, int] = getattr(self, what)
            each = ", ".join(f"{name or '(none)'} {count:,}" for name, count in counts.items())
            total = len(counts) if what in ("labels", "tags") else sum(counts.values())
            lines.append(f"{what + ':':<11}{total:>10,}  {each}".rstrip())
        lines += [f"score {name}: {count:,}, mean {mean:.3f}, highest {most:.3f}" for name, (count, mean, most) in self.scores.items()]
        lines += [f"{self.problems:,} images have problems"] if self.problems else []
        return "\n".join(lines)


def stats(database: Database) -> Stats:
    """Count all there is."""

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


def frame(database: Database, of: Of, rows: Sequence[ItemRow | InstanceRow]) -> pandas.DataFrame:
    """Return a frame of rows, with a column for each score of the instances; ModuleNotFoundError without pandas."""
    try:
        import pandas
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("a frame of a catalogue needs pandas: pip install 'cdwidget[pandas]'") from error
    kind = ItemRow if of == "items" else InstanceRow
    columns = [field.name for field in fields(kind)]
    table = pandas.DataFrame({name: [getattr(row, name) for row in rows] for name in columns}, columns=columns)
    if of == "instances":
        ids = "[" + ",".join(str(row.id) for row in rows) + "]"
        sql = "SELECT instance, name, value FROM scores WHERE instance IN (SELECT value FROM json_each(?))"
        scores = pandas.DataFrame(database.rows(sql, (ids,)), columns=["id", "name", "value"])
        if len(scores):
            wide = scores.pivot(index="id", columns="name", values="value").add_prefix("score_")
            table = table.merge(wide.reset_index(), on="id", how="left")
    return table
