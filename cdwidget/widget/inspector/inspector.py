"""The Inspector: maps of the two diffusions of CDNet for a click."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable, Iterator, Protocol, Sequence

import numpy as np
from matplotlib.figure import Figure

from cdwidget.inspection import Branch, Finding, diagnose
from cdwidget.registry import lookup
from cdwidget.session import Session
from cdwidget.widget.inspector.map_drawing import Drawing
from cdwidget.widget.inspector.map_figures import figure_of, newest_click, query_box
from cdwidget.widget.inspector.maps import MAPS, current_name
from cdwidget.widget.inspector.prompt_maps import MapImage, PromptMaps, Query
from cdwidget.widget.inspector.settings import InspectorSettings
from cdwidget.widget.transport import Channel, Operation, Reply

GRID_MAPS = ("row", "column", "gate", "added", "pdm", "merge")
FIGURE_SUFFIXES = (".png", ".svg", ".pdf")
NO_CLICK_MESSAGE = "Click on an object in the annotator to see its maps."
NO_FACTORS_MESSAGE = "This predictor records no factors to show; the embedded CDNet does."
REDRAWING_TRAITS = ["map", "branch", "number", "query", "compare", "colormap"]
UNDRAWABLE = (TypeError, ValueError)  # Errors of maps that need an object, or a predictor with tokens.
PAINTED_TRAITS = ["opacity", "marks"]  # The page applies them; the saved picture shows them, too.


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


class Inspector(InspectorSettings):
    """Show the diffusions of CDNet for the newest prompt of a session, and follow the session.

    Choose a map from the list, move the pointer to query a point, click to keep it. All controls are also traits.

    Args:
        source: A session, or a widget that shows one, such as an Annotator.

    Attributes:
        prompt_maps: The maps of the newest prompt; None if there is nothing to show.
        findings: The measurements of `cdwidget.inspection.diagnose`.

    Example:
        >>> inspector = Inspector(session)      # or annotator.inspect()
        >>> inspector.map, inspector.branch = "column", "foreground"
        >>> inspector.query = 120, 88
        >>> inspector.save("pdm.pdf", "pdm")
    """

    def __init__(self, source: Session | SessionHost) -> None:
        self.prompt_maps: PromptMaps | None = None
        self.findings: list[Finding] = []
        self._source = source
        self._drawing: Drawing | None = None  # The last one that was sent.
        self._image: MapImage | None = None  # The map that was drawn last.
        self._hovered: tuple[float, float] | None = None
        self._is_quiet = False
        self._is_stale = True
        self._has_page = False
        self._stop_listening: Callable[[], None] = lambda: None
        super().__init__()
        operations: dict[str, Operation] = {
            "drawing": self._send_drawing,
            "hover": lambda x, y: self._after(self.hover, x, y),
            "press": lambda x, y: self._after(self.press, x, y),
            "leave": lambda: self._after(self.leave),
        }
        self._channel = Channel(self, operations)
        self.observe(self._on_trait, names=REDRAWING_TRAITS)
        self.observe(lambda change: self._saved_picture.renew_later(), names=[*REDRAWING_TRAITS, *PAINTED_TRAITS])
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
        self.prompt_maps, self._message = self._newest_prompt()
        self.findings = [] if self.prompt_maps is None else diagnose(self.prompt_maps.result)
        self._findings = [{"name": one.name, "text": one.text, "wrong": one.wrong} for one in self.findings]
        self._drawing = None
        self._saved_picture.renew_later()
        if self.prompt_maps is None:
            return
        self._hovered = None
        newest = newest_click(self.prompt_maps)
        with self._without_drawing():
            if newest is not None:
                self.query, self.branch = (newest.x, newest.y), "foreground" if newest.positive else "background"
            self._update_choices(reset_step=True)
        self._draw()

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
        before, self._hovered = self._hovered or self.query, (x, y)
        if self._drawing is None:
            return  # There is no page, or the map cannot be drawn.
        if MAPS[self.map].follows and self._query_box(before) != self._query_box((x, y)):
            self._draw()
        else:
            self._channel.notify(({"status": self._status()}, []))

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
        self._draw()

    def _update_choices(self, reset_step: bool) -> None:
        """Offer the choices of the map; reset_step: start with its last step or its main head."""
        assert self.prompt_maps is not None
        entry = MAPS[self.map]
        self._variants = [variant for variant in entry.variants if variant != self.prompt_maps.factors.variant]
        self._steps = entry.steps(self.prompt_maps) if entry.steps else []
        if self.compare not in self._variants:
            self.compare = ""
        if self._steps:
            last = len(self._steps) - 1
            self.number = min(self.number, last) if not reset_step else last if self.map == "pdm" else 0

    @contextmanager
    def _without_drawing(self) -> Iterator[None]:
        """Set several traits without drawing in between."""
        before, self._is_quiet = self._is_quiet, True
        try:
            yield
        finally:
            self._is_quiet = before

    # ---- drawing -------------------------------------------------------------------------------------------------

    def _send_drawing(self) -> Reply:
        """Return the whole drawing, for a page that has just opened; later changes are sent as they happen."""
        self._has_page = True
        return ({}, []) if self.prompt_maps is None else self._describe(Drawing(self.prompt_maps, self.map), with_photograph=True)

    def _draw(self) -> None:
        """Send the map to the pages, if there are any, or why there is none."""
        if self.prompt_maps is None or not self._has_page:
            return
        try:
            drawing = Drawing(self.prompt_maps, self.map)
            is_same_region = self._drawing is not None and self._drawing.view == drawing.view
            self._channel.notify(self._describe(drawing, with_photograph=not is_same_region))
        except UNDRAWABLE as error:
            self._drawing = None
            self._channel.notify(({"status": str(error)}, []))

    def _describe(self, drawing: Drawing, with_photograph: bool) -> Reply:
        """Return {photograph, map, status}, with the photograph and the cells of each map."""
        queries = [self.current_query(variant) for variant in (["", self.compare] if self.compare else [""])]
        shown, buffers, self._image = drawing.map(queries, self.colormap)
        self._drawing = drawing
        description = {"map": shown, "status": self._status()}
        if with_photograph:
            description["photograph"], files = drawing.photograph()
            buffers = [*files, *buffers]
        return description, buffers

    def _status(self) -> str:
        """Return the value under the pointer."""
        if self._drawing is None or self._image is None:
            return ""
        origin = "under the pointer" if self._hovered else "kept; click elsewhere to move it"
        return f"{self._drawing.status(self._image, self._hovered or self.query)} · {origin}"

    def _after(self, action: Callable[..., None], *args: float) -> Reply:
        """Reply after an action of the pointer."""
        action(*args)
        return {}, []

    def _draw_snapshot(self) -> np.ndarray | None:
        if self.prompt_maps is None:
            return None
        x, y = self.query
        try:
            return Drawing(self.prompt_maps, self.map).picture(
                Query(x, y, self.branch, self.number), self.colormap, self.opacity, self.marks
            )
        except UNDRAWABLE:  # The page shows why.
            return None

    # ---- maps of prompts -----------------------------------------------------------------------------------------

    def _newest_prompt(self) -> tuple[PromptMaps | None, str]:
        """Return the maps of the newest prompt, or None and why there are none."""
        try:
            result = self.session.prompt_result()
            if result is None:
                return None, NO_CLICK_MESSAGE
            if result.factors is None:
                return None, NO_FACTORS_MESSAGE
            return PromptMaps(result, result.factors, self.session.image, self.session.predictor), ""
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
        return PromptMaps(result, result.factors, self.session.image, self.session.predictor)

    def _query_box(self, point: tuple[float, ...]) -> tuple[float, float, float, float]:
        assert self.prompt_maps is not None
        return query_box(self.prompt_maps, self.map, Query(point[0], point[1]))
