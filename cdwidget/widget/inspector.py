"""The Inspector: point at a pixel of an image that was clicked on, and see what the two diffusions did there."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Iterator, Sequence, get_args

import ipywidgets as widgets
import matplotlib
import numpy as np
import traitlets as t
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cdwidget.inspection import Branch, Finding, diagnose
from cdwidget.prompts import Click
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget import panel as figures
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.maps import MAPS, MERGE, SIDE, Picture, Query, Scene
from cdwidget.widget.panel import Panel

COLOURS = ("magma", "inferno", "viridis", "cividis", "PiYG", "coolwarm", "gray")
PLAY_MS = 350  # from one step to the next
GRID = ("row", "column", "gate", "added", "pdm", "merge")
STYLE = (Path(__file__).parent / "inspector.css").read_text()
FIRST = "Click on an object in the annotator: what its diffusion did will be shown here."
SILENT = "This predictor records nothing on the way to its answer; the embedded CDNet does."


class Inspector(widgets.VBox):
    """What the diffusion behind the newest prompt of a session did; it follows the session.

    Pick a map from the list; move the pointer to ask about a place, click to keep it. All that can be set in the page can be set here:

    >>> inspector = Inspector(session)      # or annotator.inspect()
    >>> inspector.map, inspector.branch = "column", "foreground"
    >>> inspector.query = 120, 88
    >>> inspector.figure("pdm"); inspector.save("pdm.pdf", "pdm")
    """

    map = t.Enum(tuple(MAPS), "column", help="which map is shown")
    branch = t.Enum(get_args(Branch), "foreground", help="of FDM")
    number = t.Int(0, min=0, help="the step of PDM, or the head (0: the main one)")
    query = t.Tuple(t.Float(), t.Float(), help="(x, y) in image pixels: the place that is asked about")
    compare = t.Unicode("", help="what is shown beside it: one of the map's variants, or nothing")
    opacity = t.Float(0.65, min=0, max=1, help="of the map over the photograph")
    colours = t.Unicode("", help="matplotlib's colour map; empty: the map's own")
    smooth = t.Bool(False, help="blur the tokens, instead of showing them as they are")
    marks = t.Bool(True, help="show the clicks and the mask's outline")

    def __init__(self, source: Session | Annotator) -> None:
        """Look at a session, or at whatever image an annotator shows."""
        self.scene: Scene | None = None
        self.findings: list[Finding] = []
        self._source = source
        self._hovered: tuple[float, float] | None = None
        self._quiet = False
        self._stale = True
        self._build()
        super().__init__(self._parts)
        self.add_class("cdi")
        self.observe(self._on_choice, names=["map", "branch", "number", "query", "compare", "opacity", "colours", "smooth", "marks"])
        self._stop = self.session.listen(self._on_session)
        if isinstance(source, Annotator):
            source.observe(self._on_image, names=["_image"])
        self.refresh()

    @property
    def session(self) -> Session:
        """The session that is looked at."""
        return self._source if isinstance(self._source, Session) else self._source.session

    def refresh(self) -> None:
        """Look at the session's newest prompt; called by itself after every change."""
        self._stale = False
        problem, scene = "", None
        try:
            asked = self.session.asked()
            if asked is None:
                problem = FIRST
            elif asked.factors is None:
                problem = SILENT
            else:
                scene = Scene(asked, asked.factors)
        except Exception as error:  # the page shows it; the action that was applied has succeeded all the same
            problem = f"{type(error).__name__}: {error}"
        self.scene = scene
        self._message.value = f"<div class='cdi-message'>{escape(problem)}</div>" if problem else ""
        self._body.layout.display = "none" if problem else ""
        self.findings = [] if scene is None else diagnose(scene.asked)
        self._chips.value = "".join(_chip(finding) for finding in self.findings)
        if scene is None:
            return
        self._hovered = None
        newest = figures.newest_click(scene)
        with self._silently():
            if newest is not None:
                self.query, self.branch = (newest.x, newest.y), "foreground" if newest.positive else "background"
            self._fit_choices(fresh=True)
        self._draw_all()

    def figure(self, kind: str | Sequence[str] | None = None, clicks: Sequence[int] | None = None) -> Figure:
        """Return maps as a matplotlib Figure.

        kind: a name in MAPS, several for a column each, "grid" for a choice of them, None for the map that is shown, as it is shown.
        clicks: which of the session's prompts, from 0, a row each; by default the newest, and in a "grid" all.
        Raises ValueError while there is nothing to show, or for a kind that there is not, listing those there are.
        """
        scene = self._current()
        kinds = [self.map] if kind is None else GRID if kind == "grid" else [kind] if isinstance(kind, str) else list(kind)
        for name in kinds:
            lookup({**MAPS, "grid": None}, name, "map")
        if clicks is None and kind == "grid":
            clicks = range(len(self.session.prompts))
        scenes = [scene] if clicks is None else [self._scene_of(number) for number in clicks]

        def ask(shown: Scene, name: str) -> Query:
            newest = None if shown is scene else figures.newest_click(shown)
            x, y = self.query if newest is None else (newest.x, newest.y)
            branch: Branch = self.branch if newest is None else "foreground" if newest.positive else "background"
            number = self.number if name == self.map else shown.pixels.steps if name == "pdm" else 0
            return Query(x, y, branch, number)

        return figures.grid(scenes, kinds, ask, self.colours or None, self.opacity)

    def save(self, path: str | Path, kind: str | Sequence[str] | None = None, clicks: Sequence[int] | None = None, dpi: int = 200) -> Path:
        """Write `figure(kind, clicks)` to a file, PNG, SVG or PDF by its name, and return the path; ValueError for another ending."""
        file = Path(path)
        if file.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise ValueError(f"{file.name!r} does not end in .png, .svg or .pdf")
        self.figure(kind, clicks).savefig(file, dpi=dpi)
        return file

    def close(self) -> None:
        """Close the inspector in every page; it no longer follows the session. Twice does no harm: ipywidgets closes what is deleted."""
        self._stop()
        self._stop = lambda: None
        if isinstance(self._source, Annotator):
            self._source.unobserve(self._on_image, names=["_image"])
        super().close()

    # ---- building ------------------------------------------------------------------------------------------------

    def _build(self) -> None:
        def full(**more: str) -> widgets.Layout:
            return widgets.Layout(width="auto", **more)

        narrow = {"description_width": "62px"}
        handlers = self._on_move, self._on_press, self._on_leave, self._draw_all
        self._panels = Panel(*handlers), Panel(*handlers)
        options = [(entry.title, name) for name, entry in MAPS.items()]
        self._list = widgets.Select(options=options, value=self.map, rows=len(MAPS), layout=full(), tooltip="which map is shown")
        self._branch = widgets.ToggleButtons(options=get_args(Branch), layout=full(), style={"button_width": "calc(50% - 6px)"})
        self._beside = widgets.Dropdown(options=[("nothing", "")], description="beside it", layout=full(), style=narrow)
        self._opacity = widgets.FloatSlider(value=self.opacity, min=0, max=1, step=0.05, description="opacity", layout=full(), style=narrow)
        options = [("the map's own", ""), *((name, name) for name in COLOURS)]
        self._colours = widgets.Dropdown(options=options, description="colours", layout=full(), style=narrow)
        self._smooth = widgets.Checkbox(description="smooth tokens", indent=False, layout=full())
        self._marks = widgets.Checkbox(value=True, description="clicks and outline", indent=False, layout=full())
        self._play = widgets.Play(interval=PLAY_MS, min=0, max=1, show_repeat=False)
        self._slider = widgets.IntSlider(min=0, max=1, readout=False, layout=widgets.Layout(flex="1 1 auto", min_width="80px"))
        self._place = widgets.HTML()
        widgets.jslink((self._play, "value"), (self._slider, "value"))
        self._steps = widgets.HBox([self._play, self._slider, self._place], layout=full(max_width="520px", align_items="center"))
        pairs = {"map": self._list, "branch": self._branch, "compare": self._beside, "opacity": self._opacity, "colours": self._colours}
        for name, widget in {**pairs, "smooth": self._smooth, "marks": self._marks}.items():
            t.link((self, name), (widget, "value"))
        self._slider.observe(lambda change: setattr(self, "number", change["new"]), names=["value"])
        self._message, self._chips, self._bar, self._ends, self._status, self._about = (widgets.HTML() for _ in range(6))
        controls = [self._list, self._branch, self._beside, self._opacity, self._colours, self._smooth, self._marks]
        side = widgets.VBox(controls, layout=widgets.Layout(flex="0 0 250px"))
        panels = widgets.HBox(self._panels, layout=full(justify_content="flex-start"))
        panels.add_class("cdi-panels")
        shown = widgets.VBox([panels, self._bar, self._ends, self._steps, self._status, self._about], layout=widgets.Layout(flex="1 1 0"))
        shown.add_class("cdi-shown")
        self._body = widgets.HBox([side, shown], layout=full())
        self._parts = [widgets.HTML(f"<style>{STYLE}</style>"), self._message, self._chips, self._body]

    # ---- what happens --------------------------------------------------------------------------------------------

    def _on_session(self) -> None:
        """After a change: once the reply to the browser is out, because looking back may take longer than the click."""
        self._stale = True
        try:
            asyncio.get_running_loop().call_soon(self._catch_up)
        except RuntimeError:
            self._catch_up()

    def _on_image(self, _change: Any) -> None:
        self._stop()
        self._stop = self.session.listen(self._on_session)
        self._on_session()

    def _catch_up(self) -> None:
        if self._stale and self.comm is not None:
            self.refresh()

    def _on_choice(self, change: Any) -> None:
        if self._quiet or self.scene is None:
            return
        with self._silently():
            self._fit_choices(fresh=change["name"] == "map")
        if change["name"] == "marks":
            self._draw_all()
        else:
            self._draw()

    def _on_move(self, x: float, y: float) -> None:
        if self.scene is None:
            return
        entry, before = MAPS[self.map], self._hovered or self.query
        self._hovered = x, y
        if entry.follows and self._asked_box(before) != self._asked_box((x, y)):
            self._draw()
        else:
            self._tell()

    def _on_press(self, x: float, y: float) -> None:
        self._hovered = None
        self.query = float(x), float(y)

    def _on_leave(self) -> None:
        if self._hovered is not None:
            self._hovered = None
            self._draw()

    def _fit_choices(self, fresh: bool) -> None:
        """Offer what the map has; `fresh`: begin with its last step, its main head."""
        assert self.scene is not None
        entry = MAPS[self.map]
        names = entry.numbers(self.scene) if entry.numbers else []
        kind = self.scene.factors.variant
        variants = [variant for variant in entry.variants if variant != kind]
        if self.compare not in variants:
            self.compare = ""
        options = [("nothing", ""), *((variant, variant) for variant in variants)]
        if list(self._beside.options) != options:
            chosen = self.compare
            self._beside.options = options
            self._beside.value = chosen
        self._beside.disabled = not variants
        self._branch.disabled = not entry.branches
        self._colours.disabled = not entry.colours
        self._steps.layout.display = "" if names else "none"
        if names:
            self._play.max = self._slider.max = len(names) - 1
            if fresh:
                self.number = len(names) - 1 if self.map == "pdm" else 0
            self.number = min(self.number, len(names) - 1)
            self._slider.value = self.number
            self._place.value = f"<span class='cdi-step'>{names[self.number]}</span>"

    # ---- drawing -------------------------------------------------------------------------------------------------

    def _draw_all(self) -> None:
        """Draw what is shown from the photograph up: for another scene, or for a page that has just opened it."""
        if self.scene is not None:
            for panel in self._panels:
                panel.view = None
            self._draw()

    def _begin(self, panel: Panel) -> None:
        assert self.scene is not None
        panel.photograph(self.scene.view, self.scene.factors.pixels)
        if self.marks:
            asked = self.scene.asked
            clicks = [prompt for prompt in asked.prompts if isinstance(prompt, Click)]
            panel.marks(self.scene.view.covered(asked.after, SIDE, SIDE), clicks)
        else:
            panel.marks(None, ())

    def _draw(self) -> None:
        assert self.scene is not None
        entry = MAPS[self.map]
        variants = ["", self.compare] if self.compare else [""]
        pictures = [self.scene.picture(self.map, self._ask(variant)) for variant in variants]
        high = max(picture.high for picture in pictures)
        asked = self._asked_box(self._hovered or self.query) if entry.follows else None
        colours = entry.colours and (self.colours or entry.colours)
        for panel, picture, variant in zip(self._panels, pictures, variants):
            if panel.view is None:
                self._begin(panel)
            title = figures.which(self.scene, self.map, self._ask(variant))
            panel.title.value = f"<div class='cdi-title'>{entry.title}<span>{title}</span></div>"
            panel.draw(Picture(picture.values, picture.box, picture.low, high), colours, self.opacity, self.smooth, asked)
        self._panels[1].layout.display = "" if self.compare else "none"
        self._scale(colours, pictures[0].low, high)
        self._about.value = f"<div class='cdi-about'><p>{entry.meaning}</p><p class='cdi-formula'>{entry.formula}</p></div>"
        self._shown = pictures[0]
        self._tell()

    def _scale(self, colours: str, low: float, high: float) -> None:
        if not colours:
            legend = "".join(f"<span><i style='background:{colour}'></i>{name}</span>" for name, colour in MERGE)
            self._bar.value, self._ends.value = f"<div class='cdi-legend'>{legend}</div>", ""
            return
        self._bar.value = f"<div class='cdi-bar' style='background:linear-gradient(to right, {_stops(colours)})'></div>"
        ends = "".join(f"<b>{value:.3g}</b>" for value in np.linspace(low, high, 5))
        self._ends.value = f"<div class='cdi-ends'>{ends}</div><div class='cdi-unit'>{MAPS[self.map].unit}</div>"

    def _tell(self) -> None:
        """Say what is under the pointer."""
        assert self.scene is not None
        x, y = self._hovered or self.query
        value = self.scene.at(self._shown, x, y)
        row, column = self.scene.view.cell(x, y, *self.scene.view.grid)
        words = [f"x {int(x)}, y {int(y)}", f"token {row}, {column}"]
        if not np.isnan(value):
            unit = MAPS[self.map].unit
            if not unit:
                words.append(MERGE[int(value)][0])
            else:
                words.append(f"{value:.3g} {unit}" if unit.startswith("%") else f"{unit}: {value:.3g}")
        words.append("under the pointer" if self._hovered else "kept: click elsewhere to move it")
        self._status.value = f"<div class='cdi-status'>{' · '.join(words)}</div>"

    def _ask(self, variant: str = "") -> Query:
        x, y = self._hovered or self.query
        return Query(x, y, self.branch, self.number, variant)

    def _asked_box(self, at: tuple[float, ...]) -> tuple[float, float, float, float]:
        assert self.scene is not None
        return figures.asked_box(self.scene, self.map, Query(at[0], at[1]))

    # ---- inside --------------------------------------------------------------------------------------------------

    @contextmanager
    def _silently(self) -> Iterator[None]:
        """Set several traits without drawing in between."""
        before, self._quiet = self._quiet, True
        try:
            yield
        finally:
            self._quiet = before

    def _current(self) -> Scene:
        if self._stale:
            self.refresh()
        if self.scene is None:
            raise ValueError("there is nothing to show yet; apply a Click to the session first")
        return self.scene

    def _scene_of(self, number: int) -> Scene:
        asked = self.session.asked(number)
        if asked is None or asked.factors is None:
            raise ValueError(SILENT)
        return Scene(asked, asked.factors)

    @t.validate("colours")
    def _known_colours(self, proposal: Any) -> str:
        if proposal["value"] and proposal["value"] not in matplotlib.colormaps:
            raise ValueError(f"matplotlib has no colour map {proposal['value']!r}; some it has are {', '.join(COLOURS)}")
        return str(proposal["value"])


@cache
def _stops(colours: str) -> str:
    return ", ".join(to_hex(colour) for colour in matplotlib.colormaps[colours](np.linspace(0, 1, 17)))


def _chip(finding: Finding) -> str:
    state = "wrong" if finding.wrong else "right"
    sign = "!" if finding.wrong else "✓"
    return f"<span class='cdi-chip' data-state='{state}'><b>{sign} {finding.name}</b> {escape(finding.text)}</span>"
