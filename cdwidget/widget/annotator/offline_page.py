"""Pages without a kernel: one HTML file with images, the annotator and the packaged model, which runs in the browser."""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np
from IPython.display import publish_display_data
from PIL import ExifTags, Image, UnidentifiedImageError

from cdwidget.catalogue import Catalogue
from cdwidget.formats.io import open_replacement
from cdwidget.images import ImageSource, list_images, read_image
from cdwidget.items import Instance, Item
from cdwidget.rle import encode_uncompressed
from cdwidget.session.opening import open_document
from cdwidget.widget.annotator.settings import AnnotatorSettings
from cdwidget.widget.static_files import STATIC_FOLDER, bundled, static_file
from cdwidget.widget.transport import SharedWidget

MODEL_FILES = STATIC_FOLDER.parent / "model" / "weights"
CHECKPOINT, GRAPHS = "cdnet-lite.safetensors", "cdnet-lite.graphs.safetensors"  # Of the only model that is small enough.
NOTEBOOK_ONLY = "works only in a notebook"
NOTEBOOK_TOOLS = ("superpixel", "matte", "snap")  # They need OpenCV or PyMatting.
NOTEBOOK_SETTINGS = {
    "mode": ("semantic",),
    "tool": NOTEBOOK_TOOLS,
    "locked": (True,),
    "following": (True,),
    "offline": (True,),
}  # Values that a page would not use.
OWN_TRAITS = {*vars(SharedWidget), *vars(AnnotatorSettings)}
BROWSER_FORMATS = ("JPEG", "PNG", "WEBP")
MAX_WEBP_SIDE_PX = 16383
POLICY = (  # Browsers refuse all requests, so that neither images nor labels can leave the page.
    "default-src 'none'; script-src 'unsafe-inline' 'wasm-unsafe-eval' blob:; worker-src blob:; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src data: blob:; form-action 'none'; base-uri 'none'"
)
HEAD = (
    f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    '<meta name="viewport" content="width=device-width">'
)
PAGE_SETTINGS = ("labels", "attributes", "closed_labels", "label_finishes", "colors", "shortcuts", "view_only")  # of a widget
OPEN_PAGE = """
const bytes = Uint8Array.from(atob(this.dataset.page), (character) => character.charCodeAt(0));
const frame = document.createElement("iframe");
frame.style = "width: 100%; height: 640px; border: 0";
new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text().then((page) => {
  frame.srcdoc = page;
  this.replaceWith(frame);
});
"""
# The page is in an attribute: hosts that do not trust a notebook remove attributes, but show the text of unknown elements.
OUTPUT = '<button data-page="{content}" onclick="{script}">Edit without a kernel ({megabytes} MB in this notebook)</button>'


def export_html(images: Any, path: str | os.PathLike[str], *, title: str | None = None, **traits: Any) -> Path:
    """Write a page for labeling images in a browser without a kernel.

    The page is one file that opens anywhere, also offline. It holds the images, the annotator and the model cdnet-lite, 10 MB without
    the images. Every change is kept in the browser; the button "Save labels" writes one COCO file, which `cdwidget.read` reads. The
    key "sessions" of that file holds the log of each image, for `Session.replay`.

    Args:
        images: Images as for `Annotator`, with or without instances; a data set of `cdwidget.read`; or a `Catalogue`.
        path: The .html file.
        title: Title of the page and name of the file that it saves; None for the name of the page.
        **traits: Settings of the `Annotator`, such as `labels=["cup", "cat"]`. With `view_only=True` the page has no model and is small.

    Returns:
        The path that was written.

    Raises:
        ValueError: If there is no image, an image cannot be decoded, an instance does not fit its image, or the path has another ending.
        FileNotFoundError: If an image does not exist.
        TypeError: If a setting is unknown.

    Example:
        >>> export_html("photos/", "label.html", labels=["cup", "cat"])  # doctest: +SKIP
        >>> dataset = cdwidget.read("label.json", images="photos/")  # doctest: +SKIP
    """
    path = Path(path).expanduser()
    if path.suffix.lower() not in (".html", ".htm"):
        raise ValueError(f"{path.name!r} must end in .html")
    if isinstance(images, Catalogue):
        traits.setdefault("labels", images.labels())
        sources: list[Any] = list(images.items())
    else:
        sources = list_images(images, (Item,))
    if not sources:
        raise ValueError("there is no image; give at least one path, array, PIL image or Item")
    settings = _settings(traits)
    settings["_buttons"] = ["skip", "submit"] if len(sources) > 1 and not settings["view_only"] else []
    described: list[dict[str, Any]] = []
    with open_replacement(path) as file:
        heading = escape(path.stem if title is None else title)
        head = f"{HEAD}<title>{heading}</title><style>{bundled('offline.css')}</style></head><body>\n"
        file.write(head.encode(errors="replace"))  # A file name may hold bytes that are not text.
        for number, (source, name) in enumerate(zip(sources, _names(sources))):
            pixels, encoded, mime = _encode(source.path if isinstance(source, Item) else source)
            instances = source.instances if isinstance(source, Item) else ()
            described.append(_describe(pixels.shape, name, mime, instances))
            _write_part(file, f"image-{number}", base64.b64encode(encoded))
        shown = {key: described[0][key] for key in ("name", "width", "height")}
        settings["_image"] = {**shown, "key": 1, "index": 0, "count": len(sources)}
        page = {"id": uuid4().hex, "traits": settings, "images": described}
        _write_part(file, "page", json.dumps(page).replace("<", "\\u003c").encode())
        _write_part(file, "worker", _script("offline_worker.js"))
        for name, content in () if settings["view_only"] else _model_files():
            _write_part(file, name, base64.b64encode(content))
        file.write(b"<script>" + _script("offline.js") + b"</script></body></html>\n")
    return path


def display_page(widget: AnnotatorSettings, shown_item: Callable[[], Item]) -> None:
    """Show a button that opens a page for labeling the image of a widget, if it has the setting `offline`.

    The notebook saves the button with the page.

    Args:
        widget: The annotator, which also gives the settings of the page.
        shown_item: Returns its image with the objects.
    """
    if not (widget.offline and widget._is_notebook):
        return
    traits = {name: getattr(widget, name) for name in PAGE_SETTINGS}
    with TemporaryDirectory() as folder:
        page = export_html([shown_item()], Path(folder) / "page.html", title="Labels", **traits).read_bytes()
    content = base64.b64encode(gzip.compress(page)).decode()
    publish_display_data({"text/html": OUTPUT.format(megabytes=round(len(content) / 1e6), script=escape(OPEN_PAGE), content=content)})


def _settings(traits: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of all traits of an annotator, checked."""
    widget = AnnotatorSettings(**traits)
    settings = widget.get_state([name for name in AnnotatorSettings.class_traits(sync=True) if name in OWN_TRAITS])
    widget.close()
    for name, values in NOTEBOOK_SETTINGS.items():
        if settings[name] in values:
            given = f"{name}={settings[name]!r}"
            raise ValueError(f"{given} {NOTEBOOK_ONLY}; leave it out, or use Annotator(images, {given})")
    tools = {tool["name"]: tool for tool in settings["_tools"]}
    for name in NOTEBOOK_TOOLS:
        tools[name] = {"label": name.capitalize(), "source": "command", **tools.get(name, {}), "name": name, "why_off": NOTEBOOK_ONLY}
    phase = "ready" if settings["view_only"] else "loading"
    shown = {"_tools": list(tools.values()), "_phase": {"name": phase, "error": ""}, "label": traits.get("label", "")}
    return {**settings, **shown, "_is_notebook": False}


def _names(sources: Sequence[Any]) -> list[str]:
    """Return a different name for each image: its file name, with folders if file names repeat."""
    paths = [source.path if isinstance(source, Item) else source for source in sources]
    names = [os.fspath(path) if isinstance(path, (str, os.PathLike)) else f"image-{i}.png" for i, path in enumerate(paths, 1)]
    short = [os.path.basename(name) for name in names]
    if len(set(short)) == len(short):
        return short
    folders = {os.path.dirname(os.path.abspath(name)) for name in names}
    common = os.path.commonpath(folders)
    long = [os.path.relpath(os.path.abspath(name), common).replace(os.sep, "/") for name in names]
    if len(set(long)) < len(long):
        repeated = next(name for name in long if long.count(name) > 1)
        raise ValueError(f"{repeated} is given twice; give each image once")
    return long


def _encode(source: ImageSource) -> tuple[np.ndarray, bytes, str]:
    """Return an image, uint8 (H, W, 3), and a file of exactly these pixels for browsers, with its MIME type."""
    pixels = read_image(source)
    if isinstance(source, (str, os.PathLike)) and os.path.isfile(source):
        with suppress(UnidentifiedImageError), Image.open(source) as file:  # Of other formats than images, such as NumPy's.
            if _is_for_browsers(file, pixels):
                return pixels, Path(source).read_bytes(), f"image/{file.format.lower()}"  # type: ignore[union-attr]
    buffer = io.BytesIO()
    format = "WEBP" if max(pixels.shape) <= MAX_WEBP_SIDE_PX else "PNG"
    Image.fromarray(pixels).save(buffer, format, lossless=True)
    return pixels, buffer.getvalue(), f"image/{format.lower()}"


def _is_for_browsers(file: Image.Image, pixels: np.ndarray) -> bool:
    """Return whether browsers decode a file to the pixels of `read_image`, which shows 16 bits and transparent pixels in its own way."""
    is_plain = file.format in BROWSER_FORMATS and file.mode in ("L", "RGB") and getattr(file, "n_frames", 1) == 1
    is_plain = is_plain and "icc_profile" not in file.info and file.getexif().get(ExifTags.Base.Orientation, 1) == 1
    return is_plain and np.array_equal(np.asarray(file.convert("RGB")), pixels)


def _describe(shape: tuple[int, ...], name: str, mime: str, instances: Iterable[Instance]) -> dict[str, Any]:
    height, width = shape[:2]
    try:
        document = open_document(height, width, None, instances)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from error
    *given, _new = document.state.entries
    described = [
        {"id": one.id, "label": one.label, "attributes": dict(one.attributes), "mask": encode_uncompressed(document.instance(one).mask)}
        for one in given
    ]
    return {"name": name, "width": width, "height": height, "mime": mime, "instances": described}


def _model_files() -> Iterator[tuple[str, bytes]]:
    """Yield the gzipped files of the network: onnxruntime, the weights, and the graphs."""
    yield "runtime", static_file("onnxruntime.wasm.gz")
    yield "checkpoint", gzip.compress((MODEL_FILES / CHECKPOINT).read_bytes())
    yield "graphs", gzip.compress((MODEL_FILES / GRAPHS).read_bytes())


def _write_part(file: BinaryIO, name: str, content: bytes) -> None:
    file.write(b'<script type="text/plain" id="cdw-%s">%s</script>\n' % (name.encode(), content))


def _script(name: str) -> bytes:
    """Return a script that cannot end the element that holds it."""
    return bundled(name).replace("</script", "<\\/script").replace("<!--", "<\\!--").encode()
