"""Figures of a catalogue: scores, classes, sizes of instances, and effort of labeling."""

from __future__ import annotations

import json
from typing import Any, Callable, Iterable, Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from cdwidget.catalogue.schema import STATUSES
from cdwidget.catalogue.storage import Database
from cdwidget.plotting import InlineFigure
from cdwidget.registry import lookup

FIGURE_SIZE_IN = (7.5, 3.6)
BIN_COUNT = 40
AREA_DECADES = 8  # powers of ten on the area axis: up to 100 megapixels
MAX_LABEL_BARS = 20  # classes drawn; the rest share one bar
MAX_SIZE_CLASSES = 8  # classes drawn in the histogram of sizes
MAX_LABEL_CHARS = 40
STATUS_COLORS = {"new": "#7c8794", "accepted": "#1a7f4b", "rejected": "#c0342b", "skipped": "#c99a2e"}
COLOR_CYCLE = ("#3b82f6", "#f97316", "#10b981", "#d946ef", "#eab308", "#06b6d4", "#ef4444", "#8b5cf6")
PROMPT_TYPES = ("click", "box", "stroke")


def draw_figure(database: Database, kind: str) -> Figure:
    """Draw a figure of FIGURES; raise ValueError for an unknown kind.

    The background is white, so that the figure is readable in a dark notebook too.
    """
    draw = lookup(FIGURES, kind, "figure")
    figure = InlineFigure(figsize=FIGURE_SIZE_IN, layout="constrained", facecolor="white")
    draw(figure, database)
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
        axes.set_axisbelow(True)
    return figure


def draw_scores(figure: Figure, database: Database) -> None:
    """Draw a histogram of the overall scores, stacked by status."""
    axes = figure.add_subplot(title="Scores: review the highest first", xlabel="overall score: 0 good, 1 wrong", ylabel="instances")
    score_bin = f"cast(min(score * {BIN_COUNT}, {BIN_COUNT - 1}) AS INTEGER)"
    rows = database.rows(f"SELECT status, {score_bin} AS bin, count(*) FROM instances WHERE score IS NOT NULL GROUP BY status, bin")
    if not rows:
        return _write_message(axes, "No scores yet. Run cdwidget.run(cdwidget.Score(), catalogue).")
    edges, bottom = np.linspace(0, 1, BIN_COUNT + 1), np.zeros(BIN_COUNT)
    for status in STATUSES:
        counts = np.zeros(BIN_COUNT)
        for _, index, count in (row for row in rows if row[0] == status):
            counts[max(index, 0)] += count
        if counts.any():
            label = f"{status} ({counts.sum():,.0f})"
            axes.bar(edges[:-1], counts, 1 / BIN_COUNT, bottom=bottom, align="edge", color=STATUS_COLORS[status], label=label, linewidth=0)
            bottom += counts
    axes.set_xlim(0, 1)
    _count_axis(axes, "y")
    axes.legend(frameon=False, fontsize=9)


def draw_labels(figure: Figure, database: Database) -> None:
    """Draw the number of instances of each class, stacked by status."""
    axes = figure.add_subplot(title="Classes", xlabel="instances")
    rows = database.rows("SELECT label, status, count(*) FROM instances GROUP BY label, status")
    if not rows:
        return _write_message(axes, "No instances yet. Add some with catalogue.import_(format, path).")
    totals: dict[str, int] = {}
    for label, _, count in rows:
        totals[label] = totals.get(label, 0) + count
    names = sorted(totals, key=lambda label: (-totals[label], label))
    shown, others = (names, []) if len(names) <= MAX_LABEL_BARS else (names[: MAX_LABEL_BARS - 1], names[MAX_LABEL_BARS - 1 :])
    bar_of = {**{name: index for index, name in enumerate(shown)}, **dict.fromkeys(others, len(shown))}
    titles = [_axis_text(name) for name in shown] + ([f"{len(others)} others"] if others else [])
    left = np.zeros(len(titles))
    figure.set_figheight(max(FIGURE_SIZE_IN[1] / 2, 0.9 + 0.24 * len(titles)))
    for status in STATUSES:
        counts = np.zeros(len(titles))
        for label, _, count in (row for row in rows if row[1] == status):
            counts[bar_of[label]] += count
        if counts.any():
            axes.barh(range(len(titles)), counts, left=left, color=STATUS_COLORS[status], label=status, height=0.75)
            left += counts
    for index, total in enumerate(left):
        axes.text(total, index, f" {total:,.0f}", va="center", fontsize=8, color="#555555")
    axes.set_yticks(range(len(titles)), titles, fontsize=9, parse_math=False)
    axes.invert_yaxis()
    axes.margins(x=0.1)
    _count_axis(axes, "x")
    axes.legend(frameon=False, fontsize=9, loc="lower right")


def draw_sizes(figure: Figure, database: Database) -> None:
    """Draw a histogram of the areas, stacked by class, on a logarithmic scale."""
    axes = figure.add_subplot(title="Sizes", xlabel="area (pixels)", ylabel="instances")
    rows = database.rows("SELECT label, area, count(*) FROM instances WHERE area > 0 AND NOT crowd GROUP BY label, area")
    if not rows:
        return _write_message(axes, "No instances yet. Add some with catalogue.import_(format, path).")
    counts: dict[str, np.ndarray] = {}
    for label, area, count in rows:
        counts.setdefault(label, np.zeros(BIN_COUNT))[min(int(BIN_COUNT / AREA_DECADES * np.log10(area)), BIN_COUNT - 1)] += count
    names = sorted(counts, key=lambda label: (-counts[label].sum(), label))
    edges = 10 ** (np.arange(BIN_COUNT + 1) * AREA_DECADES / BIN_COUNT)
    drawn: Mapping[str, np.ndarray] = {_axis_text(name): counts[name] for name in names[:MAX_SIZE_CLASSES]}
    if others := names[MAX_SIZE_CLASSES:]:
        drawn = {**drawn, f"{len(others)} others": sum((counts[name] for name in others), np.zeros(BIN_COUNT))}
    colors = [*COLOR_CYCLE[: len(names[:MAX_SIZE_CLASSES])], "#999999"]
    bottom = np.zeros(BIN_COUNT)
    for (title, values), color in zip(drawn.items(), colors):
        bars = axes.bar(edges[:-1], values, np.diff(edges), bottom=bottom, align="edge", color=color, linewidth=0)
        bars.set_label(title if title[:1] != "_" else f" {title}")  # matplotlib hides labels that begin with an underscore.
        bottom += values
    used = np.flatnonzero(bottom)
    axes.set_xscale("log")
    axes.set_xlim(edges[used[0]], edges[used[-1] + 1])
    _count_axis(axes, "y")
    legend = axes.legend(frameon=False, fontsize=8)
    for text in legend.get_texts():
        text.set_parse_math(False)


def draw_effort(figure: Figure, database: Database) -> None:
    """Draw histograms of the prompts and the seconds per object in saved sessions."""
    left, right = figure.subplots(1, 2)
    left.set(title="Prompts per object", xlabel="clicks, boxes and strokes (NoC)", ylabel="objects")
    right.set(title="Time per object", xlabel="seconds from opening to saving", ylabel="objects")
    sql = "SELECT detail FROM changes WHERE json_extract(detail, '$.actions') IS NOT NULL ORDER BY id"
    details = [json.loads(text) for (text,) in database.rows(sql)]
    edited = [(detail["seconds"], counts) for detail in details if (counts := prompts_per_object(detail["actions"]))]
    if not edited:
        for axes in (left, right):
            _write_message(axes, "No object has been\nedited yet")
        return
    prompts = [count for _, counts in edited for count in counts]
    seconds = [duration / len(counts) for duration, counts in edited for _ in counts]
    left.hist(prompts, bins=np.arange(-0.5, max(prompts) + 1.5), color=COLOR_CYCLE[0], rwidth=0.9)
    left.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.hist(seconds, bins=min(BIN_COUNT // 2, max(5, len(seconds))), color=COLOR_CYCLE[2], rwidth=0.95)
    right.set_xlim(left=0)
    for axes, values, unit in ((left, prompts, ""), (right, seconds, " s")):
        median = float(np.median(values))
        axes.axvline(median, color="#333333", linewidth=1, linestyle="--")
        axes.set_title(f"{axes.get_title()}: median {median:.3g}{unit}, mean {np.mean(values):.3g}{unit}", fontsize=10)
        _count_axis(axes, "y")
    figure.supxlabel(f"{len(prompts):,} objects in {len(edited):,} sessions", fontsize=8, color="#555555")


FIGURES: dict[str, Callable[[Figure, Database], None]] = {
    "scores": draw_scores,
    "labels": draw_labels,
    "sizes": draw_sizes,
    "effort": draw_effort,
}


def prompts_per_object(actions: Iterable[Mapping[str, Any]]) -> list[int]:
    """Count the prompts of each object that a session edited.

    An object drawn with manual tools only has 0.

    Args:
        actions: The actions of the session as plain JSON, oldest first.

    Returns:
        One count per object, in the order of editing.
    """
    counts: list[int] = []
    is_editing = False  # Whether the last count belongs to the object that is edited now.
    for action in actions:
        kind = action["type"]
        if kind in ("accept", "select", "duplicate"):
            is_editing = False
        elif kind not in ("delete", "relabel", "lock", "reorder", "alternative"):
            if not is_editing:
                counts.append(0)
                is_editing = True
            counts[-1] += kind in PROMPT_TYPES
    return counts


def _write_message(axes: Axes, text: str) -> None:
    axes.text(0.5, 0.5, text, transform=axes.transAxes, ha="center", va="center", color="#555555")
    axes.set(xticks=[], yticks=[])


def _axis_text(label: str) -> str:
    """Return a label as drawn: short, on one line, without unprintable characters."""
    text = " ".join("".join(c if c.isprintable() else " " for c in label).split()) or "(none)"
    return text if len(text) <= MAX_LABEL_CHARS else text[: MAX_LABEL_CHARS - 1] + "…"


def _count_axis(axes: Axes, direction: str) -> None:
    axis = axes.yaxis if direction == "y" else axes.xaxis
    axis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.grid(axis=direction, alpha=0.3)  # type: ignore[arg-type]
