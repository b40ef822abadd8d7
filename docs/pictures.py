"""Take the pictures of the documentation from the real widgets in a real JupyterLab.

python docs/pictures.py                      # all pictures, about three minutes
python docs/pictures.py annotate gallery     # some of them
"""

from __future__ import annotations

import io
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image
from playwright.sync_api import Locator, Page, sync_playwright

DOCS = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from support.jupyterlab import Lab, Notebook, Widget  # noqa: E402
from support.prerequisites import find_browser  # noqa: E402

VIEWPORT = {"width": 1280, "height": 900}  # px
GIF_WIDTH = 880  # px
GIF_COLORS = 200

POINTER = """
const arrow = document.createElement("div");
arrow.style = "position: fixed; z-index: 100000; pointer-events: none; left: -99px; width: 22px; height: 22px";
arrow.innerHTML = `<svg viewBox="0 0 22 22">
  <path d="M2 1 L2 18 L7 13.5 L10 20.5 L13 19 L10 12.5 L16.5 12 Z" fill="black" stroke="white"/></svg>`;
document.addEventListener("DOMContentLoaded", () => document.body.append(arrow));
document.addEventListener("mousemove", (event) => {
    arrow.style.left = `${event.clientX - 2}px`;
    arrow.style.top = `${event.clientY - 1}px`;
}, true);
"""

ANNOTATE = """
import skimage.data
import cdwidget

w = cdwidget.Annotator(skimage.data.astronaut(), labels=["person", "rocket", "flag"], height=430)
w
"""

REVIEW = Path(__file__).parents[1] / "notebooks" / "02_review.ipynb"


class Film:
    """Screenshots of one part of the page, with the pointer, as an animated GIF."""

    def __init__(self, part: Locator) -> None:
        self._part = part
        self._frames: list[Image.Image] = []
        self._durations: list[int] = []

    def shoot(self, milliseconds: int) -> None:
        """Add a frame of the part as it looks now, shown for this duration."""
        image = Image.open(io.BytesIO(self._part.screenshot())).convert("RGB")
        height = round(image.height * GIF_WIDTH / image.width)
        self._frames.append(image.resize((GIF_WIDTH, height), Image.Resampling.LANCZOS))
        self._durations.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write the frames with one palette, so that unchanged pixels stay unchanged."""
        strip = Image.new("RGB", (GIF_WIDTH, sum(frame.height for frame in self._frames)))
        top = 0
        for frame in self._frames:
            strip.paste(frame, (0, top))
            top += frame.height
        palette = strip.quantize(GIF_COLORS, dither=Image.Dither.NONE)
        frames = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in self._frames]
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=self._durations, loop=0, optimize=True)


def annotate(lab: Lab, page: Page) -> None:
    """Segment an astronaut, remove the helmet with a right-click, label her, then segment the rocket."""
    notebook = Notebook.open(lab, page, "annotate.ipynb", [ANNOTATE])
    notebook.run_all()
    widget = notebook.widget()
    film = Film(widget.root)
    film.shoot(900)
    click(widget, film, 250, 380)
    click(widget, film, 405, 440, button="right")
    press(widget, film, "1", 900)
    press(widget, film, "Enter", 600)
    click(widget, film, 420, 130)
    press(widget, film, "2", 700)
    press(widget, film, "Enter", 1800)
    film.save(DOCS / "annotate.gif")
    page.screenshot(path=DOCS / "screenshot.png")


def gallery(lab: Lab, page: Page) -> None:
    """Score the corrupted coins of notebook 02 and show the worst first."""
    (lab.notebooks / REVIEW.name).write_bytes(REVIEW.read_bytes())
    notebook = Notebook.open(lab, page, REVIEW.name)
    notebook.run_all()
    tiles = page.locator(".cdw-gallery").first
    tiles.scroll_into_view_if_needed(timeout=300_000)
    page.wait_for_timeout(3_000)
    tiles.screenshot(path=DOCS / "gallery.png")


def click(widget: Widget, film: Film, x: float, y: float, button: str = "left") -> None:
    """Move to an image point, click, and shoot before and after."""
    page, box, at = widget.notebook.page, widget.stage.bounding_box(), widget.position(x, y)
    assert box is not None
    page.mouse.move(box["x"] + at["x"], box["y"] + at["y"], steps=8)
    film.shoot(700)
    widget.click(x, y, button=button)
    page.wait_for_timeout(700)
    film.shoot(1300)


def press(widget: Widget, film: Film, key: str, milliseconds: int) -> None:
    """Press a key and shoot."""
    widget.root.focus()
    widget.press(key)
    film.shoot(milliseconds)


PICTURES: dict[str, Callable[[Lab, Page], None]] = {"annotate": annotate, "gallery": gallery}


def main(names: list[str]) -> None:
    """Take the named pictures, by default all."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        lab = Lab(Path(folder))
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        try:
            for name in names or PICTURES:
                page = browser.new_page(viewport=VIEWPORT)  # type: ignore[arg-type]
                page.set_default_timeout(120_000)
                page.add_init_script(POINTER)
                PICTURES[name](lab, page)
                page.close()
                lab.stop_kernels()
        finally:
            browser.close()
            lab.close()


if __name__ == "__main__":
    main(sys.argv[1:])
