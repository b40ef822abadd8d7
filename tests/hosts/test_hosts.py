"""One scenario in every host. Each test is a column of the table in docs/hosts.md, which `table.py` writes from the results."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from hosts.conftest import OpenHost

COUNT_KEYS = """() => {
    window.keysOutside = [];
    addEventListener("keydown", (event) => window.keysOutside.push(event.key));
}"""


def test_renders(open_host: OpenHost) -> None:
    open_host.wait_until_ready()
    box = stage_of(open_host).bounding_box()
    assert box and box["height"] >= 260


def test_click(open_host: OpenHost) -> None:
    click_in_the_middle(open_host)
    state = open_host.wait_for(clicks=1)
    assert 500 < state["area"] < 240_000
    if open_host.name == "marimo":
        expect(open_host.page.get_by_text(f"area {state['area']} in revision")).to_be_visible()
    open_host.wait_until_ready()
    open_host.page.keyboard.press("Control+z")
    open_host.wait_for(clicks=0, area=0)


def test_keys(open_host: OpenHost) -> None:
    page = open_host.page
    page.evaluate(COUNT_KEYS)
    open_host.annotator.focus()
    for key in ("d", "d", "b", "Control+Enter", "F9"):
        page.keyboard.press(key)
    assert page.evaluate("window.keysOutside") == []


def test_hand_tools(open_host: OpenHost) -> None:
    page, area = open_host.page, open_host.state()["area"]
    open_host.annotator.focus()
    page.keyboard.press("u")
    click_in_the_middle(open_host)
    area = open_host.wait_for_more(area)  # Superpixels arrive.
    open_host.annotator.focus()
    page.keyboard.press("b")
    box = stage_of(open_host).bounding_box()
    assert box
    page.mouse.move(box["x"] + 0.45 * box["width"], box["y"] + 0.5 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.55 * box["width"], box["y"] + 0.5 * box["height"], steps=5)
    page.mouse.up()
    open_host.wait_for_more(area)


def test_gallery_with_editor(open_host: OpenHost) -> None:
    gallery = open_host.page.locator(".cdw-gallery").first
    gallery.scroll_into_view_if_needed()
    tile = gallery.locator(".cdw-tile[id]:visible").first
    expect(tile.locator(".cdw-shot")).to_be_visible()
    tile.click()
    open_host.page.keyboard.press("Enter")  # Playwright's double click is two single clicks in Firefox.
    editor = gallery.locator(".cdw-editor")
    expect(editor.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(editor.locator(".cdw-loading")).to_have_count(0)
    for _ in range(2):
        open_host.page.keyboard.press("Escape")
    expect(editor).to_be_hidden()


def test_inspector(open_host: OpenHost) -> None:
    page, inspector = open_host.page, open_host.page.locator(".cdw-inspector").first
    open_host.annotator.focus()
    page.keyboard.press("c")
    click_in_the_middle(open_host)
    open_host.wait_for(clicks=1)
    expect(inspector.locator(".cdw-finding")).not_to_have_count(0)
    inspector.get_by_label("Map", exact=True).select_option(label="FDM: gate G")
    expect(inspector.locator(".cdw-panel-title").first).to_contain_text("FDM: gate G")
    canvas = inspector.locator(".cdw-inspector-canvas").first
    canvas.scroll_into_view_if_needed()
    canvas.hover(position={"x": 10, "y": 10})
    expect(inspector.locator(".cdw-inspector-status")).to_contain_text("under the pointer")


def test_map(open_host: OpenHost) -> None:
    stage = open_host.page.locator(".cdw-map-stage").first
    stage.scroll_into_view_if_needed()
    expect(stage).to_have_attribute("data-count", "3")
    open_host.page.locator(".cdw-map").first.focus()
    open_host.page.keyboard.press("Control+a")
    expect(stage).to_have_attribute("data-selected", "3")


def test_export(open_host: OpenHost) -> None:
    assert open_host.wait_for(exported=1)["area"] > 500


def test_restart(open_host: OpenHost) -> None:
    open_host.load()
    open_host.wait_until_ready()
    open_host.wait_for(clicks=0)
    click_in_the_middle(open_host)
    open_host.wait_for(clicks=1)


def stage_of(host: OpenHost) -> Locator:
    stage = host.annotator.locator(".cdw-stage").first
    stage.scroll_into_view_if_needed()
    return stage


def click_in_the_middle(host: OpenHost) -> None:
    stage = stage_of(host)
    box = stage.bounding_box()
    assert box
    stage.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
