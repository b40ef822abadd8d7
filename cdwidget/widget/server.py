"""A page that shows the annotator or the gallery without Jupyter, served by Shiny from this process."""

from __future__ import annotations

import os
import socket
import webbrowser
from collections.abc import Callable
from contextlib import suppress
from secrets import token_urlsafe
from typing import TYPE_CHECKING, Any

from IPython import get_ipython

from cdwidget.catalogue import Catalogue
from cdwidget.images import list_images
from cdwidget.items import Item
from cdwidget.widget.annotator import Annotator
from cdwidget.widget.gallery import Gallery

if TYPE_CHECKING:
    from starlette.applications import Starlette

Create = Callable[[], "Annotator | Gallery"]
TOKEN_BYTES = 16
SHUTDOWN_S = 2  # Time for open pages to close their connection.
FILL_WINDOW = ".cdw-stage, .cdw-gallery-body { flex: 1 !important; height: auto !important }"
NEEDS_SHINY = "serve needs Shiny: pip install 'cdwidget[serve]'"


def serve(
    images: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    title: str = "cdwidget",
    host: str = "127.0.0.1",
    port: int = 8765,
    browser: bool = True,
    **traits: Any,
) -> None:
    """Show an Annotator, or the Gallery of a catalogue, in a page until Ctrl+C.

    Call it in a script or a terminal; a notebook shows the widgets itself. Every change is saved as in a notebook. The printed address of
    the page contains a random token; other addresses are not found.

    Args:
        images: Images as for `Annotator`, or a `Catalogue`.
        out: File or folder of labels, written when the user submits an image; None for none. Not for a catalogue.
        title: Title of the page.
        host: Address to listen on. "0.0.0.0" lets other computers in.
        port: Port to listen on; 0 for any free one.
        browser: Whether to open the page in a browser.
        **traits: Settings of the Annotator or the Gallery, such as `labels=["cup", "cat"]`.

    Raises:
        ModuleNotFoundError: If Shiny is not installed.
        OSError: If the port is in use, or an image cannot be read.
        ValueError: If `out` is given for a catalogue, or a setting has a wrong value.
        RuntimeError: In a notebook.

    Example:
        >>> cdwidget.serve("photos/", labels=["cup", "cat"])  # doctest: +SKIP
    """
    if get_ipython() is not None:
        raise RuntimeError("serve runs in a script or a terminal; in a notebook, show the Annotator or Gallery in a cell")
    create = _creator(images, out, traits)
    create().close()  # Wrong arguments raise here rather than in the page.
    with _listen(host, port) as listening:
        token = token_urlsafe(TOKEN_BYTES)
        app = _application(create, title, token)
        reached = socket.gethostname() if host == "0.0.0.0" else host
        address = f"http://{reached}:{listening.getsockname()[1]}/{token}/"
        print(f"Open {address}\nPress Ctrl+C to stop.", flush=True)
        if browser:
            webbrowser.open(address)
        _run(app, listening)


def _creator(images: Any, out: str | os.PathLike[str] | None, traits: dict[str, Any]) -> Create:
    """Return a function that creates the widget of a page."""
    if isinstance(images, Catalogue):
        if out is not None:
            raise ValueError("a catalogue keeps its labels; give no `out`, and use `cdwidget export` or Catalogue.export")
        return lambda: Gallery(images, **traits)
    sources = list_images(images, (Item,))  # Iterators are read once, for all pages.

    def create() -> Annotator:
        widget = Annotator(sources, **traits)
        if out is not None:
            widget.on_submit(lambda shown: shown.save(out))
        return widget

    return create


def _listen(host: str, port: int) -> socket.socket:
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise OSError(f"cannot listen on {host}, port {port}: {error.strerror}; choose another port, or 0 for any free one") from error


def _application(create: Create, title: str, token: str) -> Starlette:
    """Return the page below the token. Each open page has its own widget, which Shiny closes with the page."""
    try:
        from shiny import App, ui
        from shinywidgets import output_widget, render_widget
        from starlette.applications import Starlette
        from starlette.routing import Mount
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(NEEDS_SHINY) from error

    def session(_input: object, _output: object, _session: object) -> None:
        @render_widget
        def widget() -> Annotator | Gallery:
            return create()

    page = ui.page_fillable(ui.tags.style(FILL_WINDOW), output_widget("widget"), title=title, padding=8)
    return Starlette(routes=[Mount(f"/{token}", app=App(page, session))])


def _run(app: Starlette, listening: socket.socket) -> None:
    import uvicorn

    config = uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=SHUTDOWN_S)
    with suppress(KeyboardInterrupt):
        uvicorn.Server(config).run([listening])
