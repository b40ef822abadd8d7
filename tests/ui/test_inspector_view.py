"""The Inspector in JupyterLab: the canvas shows the maps, and follows the pointer."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Page, WebSocket, expect

from support.jupyterlab import Lab, Notebook

TIMEOUT_S = 60
PREDICTOR_FILE = Path(__file__).parents[1] / "support" / "recording_predictor.py"
CELLS = [
    """
    import numpy as np, skimage.data, skimage.transform, cdwidget
    from recording_predictor import RecordingPredictor
    from cdwidget.widget.inspector.map_figures import colorize

    photo = skimage.data.coffee()[:, :400]
    w = cdwidget.Annotator(photo, RecordingPredictor(), height=300)
    w
    """,
    """
    i = w.inspect()
    i
    """,
    """
    def cells(name):
        "Return the color of each cell of the map, [[r, g, b], ...]."
        from cdwidget.widget.inspector.maps import MAPS
        return colorize(MAPS[name].image(i.prompt_maps, i.current_query()), MAPS[name].colormap)[..., :3].tolist()
    """,
]
READ_CENTERS = """(canvas, [rows, columns]) => {
    const context = canvas.getContext("2d"), out = [];
    const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
    for (let row = 0; row < rows; row++) for (let column = 0; column < columns; column++) {
        const x = Math.floor((column + 0.5) * canvas.width / columns), y = Math.floor((row + 0.5) * canvas.height / rows);
        out.push(Array.from(data.slice(4 * (y * canvas.width + x), 4 * (y * canvas.width + x) + 3)));
    }
    return out;
}"""
HOVER_AND_WATCH = """async (canvas) => {
    const context = canvas.getContext("2d"), seen = { frames: 0, changes: 0, blank: 0, started: performance.now() };
    let last = "";
    const look = () => {
        const data = context.getImageData(0, 0, canvas.width, canvas.height).data;
        let hash = 0, blank = true;
        for (let k = 0; k < data.length; k += 1028) { hash = (31 * hash + data[k]) | 0; if (data[k + 3 - k % 4]) blank = false; }
        seen.frames++;
        if (last !== "" && hash !== last) seen.changes++;
        if (blank) seen.blank++;
        last = hash;
        seen.seconds = (performance.now() - seen.started) / 1000;
        if (!seen.stop) requestAnimationFrame(look);
    };
    look();
    const box = canvas.getBoundingClientRect();
    for (let step = 0; step < 150; step++) {
        const x = box.left + (0.05 + 0.9 * step / 150) * box.width, y = box.top + (0.5 + 0.4 * Math.sin(step / 8)) * box.height;
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
        await new Promise((done) => setTimeout(done, 20));
    }
    const after = performance.now();
    while (performance.now() - after < 300) await new Promise((done) => setTimeout(done, 20));
    seen.stop = true;
    return seen;
}"""


@pytest.fixture(scope="module")
def received() -> list[int]:
    """The size of every message that the page has received."""
    return []


@pytest.fixture(scope="module")
def notebook(lab: Lab, module_page: Page, received: list[int]) -> Iterator[Notebook]:
    def count(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: received.append(len(frame)))

    module_page.on("websocket", count)
    shutil.copy(PREDICTOR_FILE, lab.notebooks)
    notebook = Notebook.open(lab, module_page, "inspect.ipynb", [_dedent(cell) for cell in CELLS])
    notebook.run_all()
    yield notebook


def _dedent(cell: str) -> str:
    return "\n".join(line[4:] for line in cell.strip("\n").splitlines())


def canvas_of(notebook: Notebook) -> Any:
    canvas = notebook.page.locator(".cdw-inspector-canvas").first
    canvas.scroll_into_view_if_needed()
    return canvas


def drawn(notebook: Notebook, name: str, rows: int, columns: int) -> float:
    """Return the fraction of cells whose center has the color of matplotlib, up to rounding."""
    expected = np.array(notebook.value(f"cells({name!r})")).reshape(-1, 3)
    got = np.array(canvas_of(notebook).evaluate(READ_CENTERS, [rows, columns]))
    return float((np.abs(got - expected).max(axis=1) <= 1).mean())


def wait(notebook: Notebook, until: Callable[[], bool]) -> None:
    """Wait until a condition holds, because the kernel draws only after its reply."""
    end = time.monotonic() + TIMEOUT_S
    while not until():
        assert time.monotonic() < end, "timed out"
        notebook.page.wait_for_timeout(50)


def test_a_click_in_the_annotator_is_inspected(notebook: Notebook) -> None:
    expect(notebook.page.locator(".cdw-inspector-message")).to_contain_text("Click on an object", timeout=120_000)
    notebook.widget(0, "w").click(250, 230)
    expect(notebook.page.locator(".cdw-finding")).to_have_count(2)
    expect(notebook.page.locator(".cdw-panel-title").first).to_contain_text("FDM: column, re-weighted")
    assert notebook.value("i.query")[0] // 1 == 250
    notebook.widget(0, "w").click(20, 20, button="right")
    assert notebook.value("len(i.prompt_maps.result.prompts)") == 2
    notebook.widget(0, "w").press("Control+z")
    assert notebook.value("len(i.prompt_maps.result.prompts)") == 1


def test_the_pointer_moves_the_query_and_the_canvas_has_the_colors_of_the_map(notebook: Notebook, received: list[int]) -> None:
    notebook.value("[setattr(i, 'opacity', 1.0), setattr(i, 'marks', False), setattr(i, 'map', 'row raw')] and 1")
    wait(notebook, lambda: drawn(notebook, "row raw", 32, 32) == 1)
    box = canvas_of(notebook).bounding_box()
    assert box is not None
    before = canvas_of(notebook).evaluate(READ_CENTERS, [32, 32])
    for x, y in ((0.3, 0.2), (0.7, 0.8)):
        received.clear()
        notebook.page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
        expect(notebook.page.locator(".cdw-inspector-status")).to_contain_text(f"token {int(32 * y)}, {int(32 * x)}", timeout=60_000)
        wait(notebook, lambda last=before: canvas_of(notebook).evaluate(READ_CENTERS, [32, 32]) != last)
        assert 0 < sum(received) < 40_000  # Only the cells, not the photograph.
        wait(notebook, lambda: drawn(notebook, "row raw", 32, 32) == 1)
        before = canvas_of(notebook).evaluate(READ_CENTERS, [32, 32])
    notebook.page.mouse.move(5, 5)
    notebook.page.mouse.click(box["x"] + 0.5 * box["width"], box["y"] + 0.5 * box["height"])
    wait(notebook, lambda: abs(notebook.value("i.query")[0] - 200) < 3 and drawn(notebook, "row raw", 32, 32) == 1)


@pytest.mark.parametrize(
    ("name", "rows", "columns"),
    [("row", 32, 32), ("column", 32, 32), ("gate", 32, 32), ("added", 32, 32), ("pdm", 256, 256), ("head", 128, 128)],
)
def test_each_map_is_on_the_canvas(name: str, rows: int, columns: int, notebook: Notebook) -> None:
    notebook.value(f"[setattr(i, 'opacity', 1.0), setattr(i, 'marks', False), setattr(i, 'map', {name!r})] and 1")
    least = 0.99 if name != "pdm" else 0.97  # The query is framed.
    wait(notebook, lambda: drawn(notebook, name, rows, columns) > least)


def test_the_slider_the_list_and_two_variants_side_by_side(notebook: Notebook) -> None:
    page = notebook.page
    page.get_by_label("Map", exact=True).select_option(label="PDM: the mask, step by step")
    expect(page.locator(".cdw-step")).to_have_text("step 10")
    page.get_by_label("compare").select_option(label="step 0: PDM off")
    expect(page.locator(".cdw-panel-title").nth(1)).to_contain_text("step 0")
    assert notebook.value("[i.map, i.compare]") == ["pdm", "step 0: PDM off"]
    page.get_by_label("Map", exact=True).select_option(label="FDM: row, re-weighted")
    page.get_by_label("compare").select_option(label="v3")
    expect(page.locator(".cdw-panel-title").nth(1)).to_contain_text("v3")
    notebook.value("setattr(i, 'compare', '') or 1")


def test_it_follows_the_pointer_and_never_blanks(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """The rate is printed, not asserted, so that a busy machine does not fail the test."""
    notebook.value("[setattr(i, 'opacity', 0.65), setattr(i, 'map', 'row')] and 1")
    notebook.page.wait_for_timeout(300)
    canvas = canvas_of(notebook)
    box = canvas.bounding_box()
    assert box is not None
    seen = canvas.evaluate(HOVER_AND_WATCH)
    with capsys.disabled():
        print(f"\nhover at {box['width']:.0f}x{box['height']:.0f}: {seen['changes'] / seen['seconds']:.0f} updates a second, {seen}")
    assert seen["changes"] > 20 and seen["blank"] == 0


def test_a_large_image_sends_no_more_than_it_draws(notebook: Notebook, received: list[int], capsys: pytest.CaptureFixture[str]) -> None:
    """The time is printed, not asserted, so that a busy machine does not fail the test."""
    code = """[exec(s, globals()) for s in [
        "import time; large = skimage.transform.resize(photo, (3000, 4000), order=0, preserve_range=True).astype(np.uint8)",
        "big = cdwidget.Session(large, RecordingPredictor()); big.apply(cdwidget.Click(2000, 1700))",
    ]] and 1"""
    notebook.value(" ".join(code.split()))
    received.clear()
    code = """[exec(s, globals()) for s in [
        "t = time.perf_counter(); j = cdwidget.Inspector(big); took = time.perf_counter() - t"]] and took"""
    took = notebook.value(" ".join(code.split()))
    notebook.page.wait_for_timeout(1000)
    with capsys.disabled():
        print(f"\n4000x3000: opens in {1000 * took:.0f} ms, {sum(received) / 1000:.0f} kB sent")
    assert sum(received) < 400_000
