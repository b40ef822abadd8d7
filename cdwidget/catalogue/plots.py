"""A catalogue as figures: how its scores lie, what its classes are, and what labelling has cost."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cdwidget.catalogue.query import Of
from cdwidget.catalogue.rows import InstanceRow, ItemRow
from cdwidget.catalogue.storage import STATUSES, Database
from cdwidget.plotting import InlineFigure
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import pandas


SIZE = (7.5, 3.6)  # inches
BINS = 40
DECADES = 8  # of areas: up to 100 megapixels
MOST_LABELS = 20  # that are drawn; the others are one
MOST_SIZES = 8  # classes whose sizes are drawn
COLOURS = {"new": "#7c8794", "accepted": "#1a7f4b", "rejected": "#c0342b", "skipped": "#c99a2e"}
CYCLE = ("#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6")
PROMPTS = ("click", "box", "stroke")
WIDEST = 40  # characters of a label


def figure(database: Database, kind: str) -> Figure:
    """Return a figure of FIGURES; ValueError lists them. Its background is white, so that it is read in a dark notebook too."""
    draw = lookup(FIGURES, kind, "figure")
    made = InlineFigure(figsize=SIZE, layout="constrained", facecolor="white")
    draw(made, database)
    for axes in made.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return made


def scores(made: Figure, database: Database) -> None:
    """How many instances have which overall score, by status."""
    axes = made.add_subplot(title="Scores: what to look at first", xlabel="overall score (1 - predicted IoU)", ylabel="instances")
    width = f"cast(min(score * {BINS}, {BINS - 1}) AS INTEGER)"
    rows = database.rows(f"SELECT status, {width} AS bin, count(*) FROM instances WHERE score IS NOT NULL GROUP BY status, bin")
    if not rows:
        return _say(axes, "No scores yet: cdwidget.run(cdwidget.Score(), catalogue) makes them")
    edges, below = np.linspace(0, 1, BINS + 1), np.zeros(BINS)
    for status in STATUSES:
        counts = np.zeros(BINS)
        for _, place, count in (row for row in rows if row[0] == status):
            counts[max(place, 0)] += count
        if counts.any():
            label = f"{status} ({counts.sum():,.0f})"
            axes.bar(edges[:-1], counts, 1 / BINS, bottom=below, align="edge", color=COLOURS[status], label=label, linewidth=0)
            below += counts
    axes.set_xlim(0, 1)
    _whole(axes, "y")
    axes.legend(frameon=False, fontsize=9)


def labels(made: Figure, database: Database) -> None:
    """How many instances each class has, by status."""
    axes = made.add_subplot(title="Classes", xlabel="instances")
    rows = database.rows("SELECT label, status, count(*) FROM instances GROUP BY label, status")
    if not rows:
        return _say(axes, "No instances yet: catalogue.import_(format, path) brings some")
    totals: dict[str, int] = {}
    for label, _, count in rows:
        totals[label] = totals.get(label, 0) + count
    names = sorted(totals, key=lambda label: (-totals[label], label))
    shown, others = (names, []) if len(names) <= MOST_LABELS else (names[: MOST_LABELS - 1], names[MOST_LABELS - 1 :])
    place = {**{name: number for number, name in enumerate(shown)}, **dict.fromkeys(others, len(shown))}
    titles = [_short(name) for name in shown] + ([f"{len(others)} others"] if others else [])
    left = np.zeros(len(titles))
    made.set_figheight(max(SIZE[1] / 2, 0.9 + 0.24 * len(titles)))
    for status in STATUSES:
        counts = np.zeros(len(titles))
        for label, _, count in (row for row in rows if row[1] == status):
            counts[place[label]] += count
        if counts.any():
            axes.barh(range(len(titles)), counts, left=left, color=COLOURS[status], label=status, height=0.75)
            left += counts
    for number, total in enumerate(left):
        axes.text(total, number, f" {total:,.0f}", va="center", fontsize=8, color="#555555")
    axes.set_yticks(range(len(titles)), titles, fontsize=9, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    _whole(axes, "x")
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def sizes(made: Figure, database: Database) -> None:
    """How large the instances of each class are, on a logarithmic scale."""
    axes = made.add_subplot(title="Sizes", xlabel="area (pixels)", ylabel="instances")
    shown = "WHERE area > 0 AND NOT crowd"
    rows = database.rows(f"SELECT label, area, count(*) FROM instances {shown} GROUP BY label, area")
    if not rows:
        return _say(axes, "No instances yet: catalogue.import_(format, path) brings some")
    counts: dict[str, np.ndarray] = {}
    for label, area, count in rows:
        counts.setdefault(label, np.zeros(BINS))[min(int(BINS / DECADES * np.log10(area)), BINS - 1)] += count
    names = sorted(counts, key=lambda label: (-counts[label].sum(), label))
    edges = 10 ** (np.arange(BINS + 1) * DECADES / BINS)
    drawn: Mapping[str, np.ndarray] = {_short(name): counts[name] for name in names[:MOST_SIZES]}
    if others := names[MOST_SIZES:]:
        drawn = {**drawn, f"{len(others)} others": sum((counts[name] for name in others), np.zeros(BINS))}
    colours = [*CYCLE[: len(names[:MOST_SIZES])], "#999999"]
    below = np.zeros(BINS)
    for (title, values), colour in zip(drawn.items(), colours):
        bars = axes.bar(edges[:-1], values, np.diff(edges), bottom=below, align="edge", color=colour, linewidth=0)
        bars.set_label(title if title[:1] != "_" else f" {title}")  # a label that begins so would be left out of the legend
        below += values
    used = np.flatnonzero(below)
    axes.set_xscale("log")
    axes.set_xlim(edges[used[0]], edges[used[-1] + 1])
    _whole(axes, "y")
    legend = axes.legend(frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def effort(made: Figure, database: Database) -> None:
    """How many prompts and seconds an object has cost, from the actions of the sessions that were written back."""
    left, right = made.subplots(1, 2)
    left.set(title="Prompts an object", xlabel="clicks, boxes and strokes (NoC)", ylabel="objects")
    right.set(title="Time an object", xlabel="seconds from opening to saving", ylabel="objects")
    sql = "SELECT detail FROM changes WHERE json_extract(detail, '$.actions') IS NOT NULL ORDER BY id"
    details = [json.loads(text) for (text,) in database.rows(sql)]
    worked = [(detail["seconds"], counts) for detail in details if (counts := prompts_of(detail["actions"]))]
    if not worked:
        for axes in (left, right):
            _say(axes, "Nobody has edited\nan object yet")
        return
    prompts = [count for _, counts in worked for count in counts]
    seconds = [took / len(counts) for took, counts in worked for _ in counts]
    left.hist(prompts, bins=np.arange(-0.5, max(prompts) + 1.5), color=CYCLE[0], rwidth=0.9)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.hist(seconds, bins=min(BINS // 2, max(5, len(seconds))), color=CYCLE[2], rwidth=0.95)
    right.set_xlim(left=0)
    for axes, values, unit in ((left, prompts, ""), (right, seconds, " s")):
        middle = float(np.median(values))
        axes.axvline(middle, color="#333333", linewidth=1, linestyle="--")
        axes.set_title(f"{axes.get_title()}: median {middle:.3g}{unit}, mean {np.mean(values):.3g}{unit}", fontsize=10)
        _whole(axes, "y")
    made.supxlabel(f"{len(prompts):,} objects in {len(worked):,} sessions", fontsize=8, color="#555555")


FIGURES: dict[str, Callable[[Figure, Database], None]] = {"scores": scores, "labels": labels, "sizes": sizes, "effort": effort}


def prompts_of(actions: Iterable[Mapping[str, Any]]) -> list[int]:
    """Return the number of prompts of each object that a session's actions drew on; 0 for one that was only drawn by hand."""
    counts: list[int] = []
    begun = False  # whether the newest count is of the object that is edited now
    for action in actions:
        kind = action["type"]
        if kind in ("accept", "select", "duplicate"):
            begun = False
        elif kind not in ("delete", "relabel", "lock", "reorder", "alternative"):
            if not begun:
                counts.append(0)
                begun = True
            counts[-1] += kind in PROMPTS
    return counts


def _say(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
    axes.set(xticks=[], yticks=[])


def _short(label: str) -> str:
    """A label for an axis: not too long, on one line, and without what the font does not have."""
    text = " ".join("".join(c if c.isprintable() else " " for c in label).split()) or "(none)"
    return text if len(text) <= WIDEST else text[: WIDEST - 1] + "…"


def _whole(axes: Axes, which: str) -> None:
    axis = axes.yaxis if which == "y" else axes.xaxis
    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis=which, alpha=0.3)  # type: ignore[arg-type]


# MERGED from review.figures: A catalogue in numbers: a frame of its rows, and counts.


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
