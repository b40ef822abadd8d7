"""The figures of a catalogue show its counts."""

from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from cdwidget import Box, Catalogue, Click, Instance, Item
from cdwidget.catalogue import ScoreValue
from cdwidget.catalogue.plots import FIGURES, prompts_per_object
from cdwidget.session import Accept, Select
from cdwidget.tools import Grow
from support.image_files import item
from support.scripted_predictor import ScriptedPredictor

MATH_LABEL = "$x_{$ <b>_</b> \x00\n" + "ä" * 300


def square(side: int) -> np.ndarray:
    mask = np.zeros((40, 60), bool)
    mask[:side, :side] = True
    return mask


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    found = Catalogue(tmp_path / "labels.db", user="ana")
    labels = ["cat", "cat", "cat", "dog", "_private", MATH_LABEL]
    found.add([item(tmp_path, *(Instance(square(2 + n), label) for n, label in enumerate(labels)), height=40, width=60)])
    return found


def bars(figure: Figure) -> float:
    """Return the sum of the heights of all bars."""
    return sum(patch.get_height() for axes in figure.axes for patch in axes.patches)  # type: ignore[attr-defined]


def words(figure: Figure) -> str:
    figure.canvas.draw()
    texts = [text.get_text() for axes in figure.axes for text in [*axes.texts, axes.title, *axes.get_yticklabels()]]
    texts += [text.get_text() for axes in figure.axes if axes.get_legend() for text in axes.get_legend().get_texts()]  # type: ignore
    return "\n".join(texts)


@pytest.mark.parametrize("kind", FIGURES)
def test_figures_are_deterministic(kind: str, catalogue: Catalogue, tmp_path: Path) -> None:
    catalogue.put_scores(1, [ScoreValue(1, "overall", 0.4)])
    first, second = catalogue.figure(kind), catalogue.figure(kind)
    png = first._repr_png_()  # type: ignore[attr-defined]
    assert png[:4] == b"\x89PNG" and second._repr_png_() == png  # type: ignore[attr-defined]
    assert first.get_facecolor() == (1, 1, 1, 1), "readable in a dark notebook too"
    assert all(axes.get_title() for axes in first.axes) and all(axes.get_xlabel() for axes in first.axes)
    for name in ("a.svg", "a.pdf", "a.png"):
        first.savefig(tmp_path / name)


@pytest.mark.parametrize("kind", FIGURES)
def test_the_figure_of_an_empty_catalogue_says_what_to_do(kind: str, tmp_path: Path) -> None:
    figure = Catalogue(tmp_path / "empty.db").figure(kind)
    assert bars(figure) == 0 and ("yet" in words(figure))


def test_an_unknown_figure(catalogue: Catalogue) -> None:
    with pytest.raises(ValueError, match="no figure named 'score' .did you mean 'scores'.*effort, labels, scores, sizes"):
        catalogue.figure("score")


def test_scores_are_stacked_by_status(catalogue: Catalogue) -> None:
    catalogue.put_scores(1, [ScoreValue(number, "overall", value) for number, value in ((1, 0.0), (2, 0.999), (3, 1.0), (4, 0.5))])
    catalogue.set_status(catalogue.ids(of="instances", label="dog"), "accepted", of="instances")
    figure = catalogue.figure("scores")
    assert bars(figure) == 4
    assert "new (3)" in words(figure) and "accepted (1)" in words(figure)
    (axes,) = figure.axes
    tall = {round(patch.get_x(), 3): patch.get_height() for patch in axes.patches if patch.get_height()}  # type: ignore[attr-defined]
    assert tall == {0.0: 1, 0.975: 2, 0.5: 1}


def test_labels_are_drawn_as_plain_text(catalogue: Catalogue) -> None:
    figure = catalogue.figure("labels")
    lines = words(figure).split("\n")
    assert lines.index("cat") < lines.index("dog") and "_private" in lines
    (odd,) = (line for line in lines if line.startswith("$x_{$"))
    assert len(odd) == 40
    widths = [patch.get_width() for patch in figure.axes[0].patches]  # type: ignore[attr-defined]
    assert sorted(widths) == [1, 1, 1, 3]


def test_rare_labels_share_a_bar(tmp_path: Path) -> None:
    catalogue = Catalogue(tmp_path / "labels.db")
    path = item(tmp_path, height=40, width=60).path
    catalogue.add([Item(path, [Instance(square(3), f"label {n:02}") for n in range(45)])])
    assert "26 others" in words(catalogue.figure("labels")) and "37 others" in words(catalogue.figure("sizes"))


def test_sizes_are_counted_by_class(catalogue: Catalogue) -> None:
    figure = catalogue.figure("sizes")
    assert bars(figure) == 6
    left, right = figure.axes[0].get_xlim()
    assert left <= 4 and right >= 49 and figure.axes[0].get_xscale() == "log"
    assert " _private" in words(figure)


def test_effort_counts_prompts_and_seconds(catalogue: Catalogue) -> None:
    session = catalogue.session(1, ScriptedPredictor(square(9)), autosave=False)
    for action in (Click(5, 5), Click(8, 8), Accept("cat"), Box(1, 1, 9, 9), Select(1), Grow(1)):
        session.apply(action)
    catalogue.update(1, session)
    figure = catalogue.figure("effort")
    left, _ = figure.axes
    counts = {round(patch.get_x() + patch.get_width() / 2): patch.get_height() for patch in left.patches}  # type: ignore[attr-defined]
    assert counts == {0: 1, 1: 1, 2: 1}
    assert "median 1, mean 1" in left.get_title() and " s, mean " in figure.axes[1].get_title()


def test_prompts_per_object() -> None:
    def kinds(*names: str) -> list[dict[str, str]]:
        return [{"type": name} for name in names]

    assert prompts_per_object(kinds("click", "click", "accept", "brush", "accept", "accept", "box")) == [2, 0, 1]
    assert prompts_per_object(kinds("select", "relabel", "delete")) == []
