"""The Inspector: maps of the two diffusions of CDNet for a click."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Callable, Iterator, Protocol, Sequence, get_args

import ipywidgets as widgets
import matplotlib
import numpy as np
import traitlets as t
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from cdwidget._deprecated import renamed_property
from cdwidget.inspection import Branch, Finding, diagnose
from cdwidget.prompts import Click
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget.inspector_controls import LISTED_COLORMAPS, InspectorControls
from cdwidget.widget.maps import MAPS, MASK_GRID_SIDE, MERGE_CLASSES, MapImage, PromptMaps, Query, current_name
from cdwidget.widget.panel import Panel, figure_of, newest_click, query_box, subtitle

GRID_MAPS = ("row", "column", "gate", "added", "pdm", "merge")
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
NO_CLICK_MESSAGE = "Click on an object in the annotator to see its maps."
NO_FACTORS_MESSAGE = "This predictor records no factors to show; the embedded CDNet does."
REDRAWING_TRAITS = ["map", "branch", "number", "query", "compare", "opacity", "colormap", "smooth", "marks"]


class SessionHost(Protocol):
    """A widget that shows one session at a time, such as an Annotator."""

    @property
    def session(self) -> Session:
        """The session being shown."""

    def listen(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback()` after every change and when another session is shown.

        Returns:
            A function that stops this.
        """


class MapName(t.Enum):
    """The name of a map; deprecated names are replaced."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the current name; raise TraitError if there is no such map."""
        return super().validate(obj, current_name(value) if isinstance(value, str) else value)


class Inspector(widgets.VBox):
    """Show the diffusions of CDNet for the newest prompt of a session, and follow the session.

    Choose a map from the list, move the pointer to query a point, click to keep it. All controls are also traits.

    Args:
        source: A session, or a widget that shows one, such as an Annotator.

    Attributes:
        prompt_maps: The maps of the newest prompt; None if there is nothing to show.
        findings: The measurements of `cdwidget.inspection.diagnose`.
        panels: The map, and its comparison.
        controls: The controls and texts.

    Example:
        >>> inspector = Inspector(session)      # or annotator.inspect()
        >>> inspector.map, inspector.branch = "column", "foreground"
        >>> inspector.query = 120, 88
        >>> inspector.save("pdm.pdf", "pdm")
    """

    map = MapName(tuple(MAPS), "column", help="the map being shown")
    branch = t.Enum(get_args(Branch), "foreground", help="the branch of FDM")
    number = t.Int(0, min=0, help="the step of PDM, or the head (0: the main one)")
    query = t.Tuple(t.Float(), t.Float(), help="(x, y) in image pixels: the point that the map is shown for")
    compare = t.Unicode("", help="the variant shown next to the map; empty: none")
    opacity = t.Float(0.65, min=0, max=1, help="opacity of the map over the photograph, 0 to 1")
    colormap = t.Unicode("", help="name of a matplotlib colormap; empty: the map's default colormap")
    smooth = t.Bool(False, help="whether to interpolate between tokens")
    marks = t.Bool(True, help="whether to show the clicks and the outline of the mask")

    colours = renamed_property("colours", "colormap")

    def __init__(self, source: Session | SessionHost) -> None:
        self.prompt_maps: PromptMaps | None = None
        self.findings: list[Finding] = []
        self._source = source
        self._hovered: tuple[float, float] | None = None
        self._is_quiet = False
        self._is_stale = True
        handlers = self.hover, self.press, self.leave, self._draw_all
        self.panels = Panel(*handlers), Panel(*handlers)
        self.controls = InspectorControls(self.panels)
        super().__init__(self.controls.children)
        self.add_class("cdi")
        for name, control in self.controls.inputs.items():
            t.link((self, name), (control, "value"))
        self.controls.slider.observe(lambda change: setattr(self, "number", change["new"]), names=["value"])
        self.observe(self._on_trait, names=REDRAWING_TRAITS)
        self._stop_listening = source.listen(self._on_session)
        self.refresh()

    def __repr__(self) -> str:
        return f"<Inspector: map {self.map!r} of {self.session!r}>"

    @property
    def session(self) -> Session:
        """The session that is inspected."""
        return self._source if isinstance(self._source, Session) else self._source.session

    def refresh(self) -> None:
        """Inspect the newest prompt of the session; called automatically after every change."""
        self._is_stale = False
        self.prompt_maps, problem = self._newest_prompt()
        self.controls.show_message(escape(problem))
        self.findings = [] if self.prompt_maps is None else diagnose(self.prompt_maps.result)
        self.controls.chips.value = "".join(_chip(finding) for finding in self.findings)
        if self.prompt_maps is None:
            return
        self._hovered = None
        newest = newest_click(self.prompt_maps)
        with self._without_drawing():
            if newest is not None:
                self.query, self.branch = (newest.x, newest.y), "foreground" if newest.positive else "background"
            self._update_choices(reset_step=True)
        self._draw_all()

    def figure(self, kind: str | Sequence[str] | None = None, clicks: Sequence[int] | None = None) -> Figure:
        """Return maps as a matplotlib figure.

        Args:
            kind: A map, several for one column each, or "grid" for a selection; None for the map being shown, as it is shown.
            clicks: Indices of the session's prompts, from 0, for one row each; None for the newest (for "grid", all).

        Returns:
            The figure.

        Raises:
            ValueError: If there is nothing to show, or no such map.
            IndexError: If there is no such prompt.
        """
        shown = self._current_maps()
        names = [self.map] if kind is None else GRID_MAPS if kind == "grid" else [kind] if isinstance(kind, str) else list(kind)
        names = [current_name(name) for name in names]
        for name in names:
            lookup({**MAPS, "grid": None}, name, "map")
        if clicks is None and kind == "grid":
            clicks = range(len(self.session.prompts))
        prompts = [shown] if clicks is None else [self._maps_of(number) for number in clicks]

        def query_of(maps: PromptMaps, name: str) -> Query:
            newest = None if maps is shown else newest_click(maps)
            x, y = self.query if newest is None else (newest.x, newest.y)
            branch: Branch = self.branch if newest is None else "foreground" if newest.positive else "background"
            number = self.number if name == self.map else maps.diffusion.steps if name == "pdm" else 0
            return Query(x, y, branch, number)

        return figure_of(prompts, names, query_of, self.colormap or None, self.opacity)

    def save(self, path: str | Path, kind: str | Sequence[str] | None = None, clicks: Sequence[int] | None = None, dpi: int = 200) -> Path:
        """Write `figure(kind, clicks)` to a file.

        Args:
            path: The file; its suffix .png, .svg or .pdf is the format.
            kind: As for `figure`.
            clicks: As for `figure`.
            dpi: Resolution of a PNG, dots per inch.

        Returns:
            The path.

        Raises:
            ValueError: If the suffix is another one, or as `figure`.
        """
        file = Path(path)
        if file.suffix.lower() not in FIGURE_SUFFIXES:
            raise ValueError(f"{file.name!r} does not end in .png, .svg or .pdf")
        self.figure(kind, clicks).savefig(file, dpi=dpi)
        return file

    def close(self) -> None:
        """Close the inspector in every page; it no longer follows the session."""
        self._stop_listening()
        self._stop_listening = lambda: None
        super().close()

    # ---- the pointer ---------------------------------------------------------------------------------------------

    def hover(self, x: float, y: float) -> None:
        """Query an image point while the pointer is there."""
        if self.prompt_maps is None:
            return
        entry, before = MAPS[self.map], self._hovered or self.query
        self._hovered = x, y
        if entry.follows and self._query_box(before) != self._query_box((x, y)):
            self._draw()
        else:
            self._show_status()

    def press(self, x: float, y: float) -> None:
        """Keep the query at an image point."""
        self._hovered = None
        self.query = float(x), float(y)

    def leave(self) -> None:
        """Return to the kept query."""
        if self._hovered is not None:
            self._hovered = None
            self._draw()

    def current_query(self, variant: str = "") -> Query:
        """Return the query that is shown: under the pointer, else the kept one."""
        x, y = self._hovered or self.query
        return Query(x, y, self.branch, self.number, variant)

    # ---- changes -------------------------------------------------------------------------------------------------

    def _on_session(self) -> None:
        """Refresh after the reply is sent, because inspecting may take longer than the click."""
        self._is_stale = True
        try:
            asyncio.get_running_loop().call_soon(self._refresh_if_stale)
        except RuntimeError:
            self._refresh_if_stale()

    def _refresh_if_stale(self) -> None:
        if self._is_stale and self.comm is not None:
            self.refresh()

    def _on_trait(self, change: Any) -> None:
        if self._is_quiet or self.prompt_maps is None:
            return
        with self._without_drawing():
            self._update_choices(reset_step=change["name"] == "map")
        if change["name"] == "marks":
            self._draw_all()
        else:
            self._draw()

    def _update_choices(self, reset_step: bool) -> None:
        """Offer the choices of the map; reset_step: start with its last step or its main head."""
        assert self.prompt_maps is not None
        entry, controls = MAPS[self.map], self.controls
        variants = [variant for variant in entry.variants if variant != self.prompt_maps.factors.variant]
        if self.compare not in variants:
            self.compare = ""
        controls.offer_variants(variants, self.compare)
        controls.branch.disabled = not entry.has_branches
        controls.colormap.disabled = not entry.colormap
        names = entry.steps(self.prompt_maps) if entry.steps else []
        controls.offer_steps(names)
        if names:
            if reset_step:
                self.number = len(names) - 1 if self.map == "pdm" else 0
            self.number = min(self.number, len(names) - 1)
            controls.show_step(self.number, names[self.number])

    @contextmanager
    def _without_drawing(self) -> Iterator[None]:
        """Set several traits without drawing in between."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    # ---- drawing -------------------------------------------------------------------------------------------------

    def _draw_all(self) -> None:
        """Draw everything, starting with the photograph."""
        if self.prompt_maps is not None:
            for panel in self.panels:
                panel.view = None
            self._draw()

    def _draw(self) -> None:
        assert self.prompt_maps is not None
        entry = MAPS[self.map]
        variants = ["", self.compare] if self.compare else [""]
        images = [self.prompt_maps.image(self.map, self.current_query(variant)) for variant in variants]
        high = max(image.high for image in images)
        box = self._query_box(self._hovered or self.query) if entry.follows else None
        colormap = entry.colormap and (self.colormap or entry.colormap)
        for panel, image, variant in zip(self.panels, images, variants):
            if panel.view is None:
                self._draw_photograph(panel)
            note = subtitle(self.prompt_maps, self.map, self.current_query(variant))
            panel.title.value = f"<div class='cdi-title'>{entry.title}<span>{note}</span></div>"
            panel.draw_map(MapImage(image.values, image.box, image.low, high), colormap, self.opacity, self.smooth, box)
        self.panels[1].layout.display = "" if self.compare else "none"
        self._show_scale(colormap, images[0].low, high)
        self.controls.about.value = f"<div class='cdi-about'><p>{entry.meaning}</p><p class='cdi-formula'>{entry.formula}</p></div>"
        self._shown_image = images[0]
        self._show_status()

    def _draw_photograph(self, panel: Panel) -> None:
        assert self.prompt_maps is not None
        view, result = self.prompt_maps.view, self.prompt_maps.result
        panel.draw_photograph(view, self.prompt_maps.factors.pixels)
        if self.marks:
            clicks = [prompt for prompt in result.prompts if isinstance(prompt, Click)]
            panel.draw_marks(view.coverage(result.after, MASK_GRID_SIDE, MASK_GRID_SIDE), clicks)
        else:
            panel.draw_marks(None, ())

    def _show_scale(self, colormap: str, low: float, high: float) -> None:
        bar, labels = self.controls.scale_bar, self.controls.scale_labels
        if not colormap:
            legend = "".join(f"<span><i style='background:{color}'></i>{name}</span>" for name, color in MERGE_CLASSES)
            bar.value, labels.value = f"<div class='cdi-legend'>{legend}</div>", ""
            return
        bar.value = f"<div class='cdi-bar' style='background:linear-gradient(to right, {_css_gradient(colormap)})'></div>"
        ticks = "".join(f"<b>{value:.3g}</b>" for value in np.linspace(low, high, 5))
        labels.value = f"<div class='cdi-ends'>{ticks}</div><div class='cdi-unit'>{MAPS[self.map].unit}</div>"

    def _show_status(self) -> None:
        """Show the value under the pointer."""
        assert self.prompt_maps is not None
        x, y = self._hovered or self.query
        value = self._shown_image.value_at(x, y)
        row, column = self.prompt_maps.view.cell(x, y, *self.prompt_maps.view.grid)
        parts = [f"x {int(x)}, y {int(y)}", f"token {row}, {column}"]
        if not np.isnan(value):
            unit = MAPS[self.map].unit
            if not unit:
                parts.append(MERGE_CLASSES[int(value)][0])
            else:
                parts.append(f"{value:.3g} {unit}" if unit.startswith("%") else f"{unit}: {value:.3g}")
        parts.append("under the pointer" if self._hovered else "kept; click elsewhere to move it")
        self.controls.status.value = f"<div class='cdi-status'>{' · '.join(parts)}</div>"

    # ---- maps of prompts -----------------------------------------------------------------------------------------

    def _newest_prompt(self) -> tuple[PromptMaps | None, str]:
        """Return the maps of the newest prompt, or None and why there are none."""
        try:
            result = self.session.prompt_result()
            if result is None:
                return None, NO_CLICK_MESSAGE
            if result.factors is None:
                return None, NO_FACTORS_MESSAGE
            return PromptMaps(result, result.factors), ""
        except Exception as error:  # The page shows it; the inspected action has succeeded anyway.
            return None, f"{type(error).__name__}: {error}"

    def _current_maps(self) -> PromptMaps:
        if self._is_stale:
            self.refresh()
        if self.prompt_maps is None:
            raise ValueError("there is nothing to show yet; apply a Click to the session first")
        return self.prompt_maps

    def _maps_of(self, number: int) -> PromptMaps:
        result = self.session.prompt_result(number)
        if result is None or result.factors is None:
            raise ValueError(NO_FACTORS_MESSAGE)
        return PromptMaps(result, result.factors)

    def _query_box(self, point: tuple[float, ...]) -> tuple[float, float, float, float]:
        assert self.prompt_maps is not None
        return query_box(self.prompt_maps, self.map, Query(point[0], point[1]))

    @t.validate("colormap")
    def _known_colormap(self, proposal: Any) -> str:
        if proposal["value"] and proposal["value"] not in matplotlib.colormaps:
            raise ValueError(f"matplotlib has no colormap {proposal['value']!r}; some it has are {', '.join(LISTED_COLORMAPS)}")
        return str(proposal["value"])


@cache
def _css_gradient(colormap: str) -> str:
    return ", ".join(to_hex(color) for color in matplotlib.colormaps[colormap](np.linspace(0, 1, 17)))


def _chip(finding: Finding) -> str:
    state = "wrong" if finding.wrong else "right"
    sign = "!" if finding.wrong else "✓"
    return f"<span class='cdi-chip' data-state='{state}'><b>{sign} {finding.name}</b> {escape(finding.text)}</span>"
