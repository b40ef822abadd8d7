"""One scenario in every host: the widgets appear, a click becomes a mask, keys stay in the widget, and the editor of a gallery opens."""

from __future__ import annotations

from playwright.sync_api import Locator, expect

from hosts.conftest import OpenHost

COUNT_KEYS = """() => {
    window.keysOutside = [];
    addEventListener("keydown", (event) => window.keysOutside.push(event.key));
}"""


def root(host: OpenHost) -> Locator:
    return host.page.locator(".cdw[aria-label='Image annotator']").first


def test_a_click_becomes_a_mask_and_is_undone(open_host: OpenHost) -> None:
    widget = root(open_host)
    expect(widget.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
    stage = widget.locator(".cdw-stage")
    stage.scroll_into_view_if_needed()
    box = stage.bounding_box()
    assert box and box["height"] >= 260
    stage.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    state = open_host.wait_for(clicks=1)
    assert 500 < state["area"] < 240_000
    if open_host.name == "marimo":
        expect(open_host.page.get_by_text(f"area {state['area']} in revision")).to_be_visible()
    expect(widget.locator(".cdw-status")).to_have_attribute("data-state", "ready")
    open_host.page.keyboard.press("Control+z")
    open_host.wait_for(clicks=0, area=0)


def test_keys_stay_in_the_widget(open_host: OpenHost) -> None:
    page, widget = open_host.page, root(open_host)
    page.evaluate(COUNT_KEYS)
    widget.focus()
    for key in ("d", "d", "b", "Control+Enter", "F9"):
        page.keyboard.press(key)
    assert page.evaluate("window.keysOutside") == []


def test_superpixels_arrive(open_host: OpenHost) -> None:
    widget = root(open_host)
    widget.focus()
    open_host.page.keyboard.press("u")
    stage = widget.locator(".cdw-stage")
    box = stage.bounding_box()
    assert box
    area = open_host.state()["area"]
    stage.click(position={"x": box["width"] / 2, "y": box["height"] / 2})
    for _ in range(100):
        if open_host.state()["area"] != area:
            break
        open_host.page.wait_for_timeout(100)
    assert open_host.state()["area"] > area


def test_the_editor_of_a_gallery_opens_and_closes(open_host: OpenHost) -> None:
    gallery = open_host.page.locator(".cdw-gallery").first
    gallery.scroll_into_view_if_needed()
    tile = gallery.locator(".cdw-tile[id]:visible").first
    expect(tile.locator(".cdw-shot")).to_be_visible()
    tile.dblclick()
    editor = gallery.locator(".cdw-editor")
    expect(editor.locator(".cdw-status")).to_have_attribute("data-state", "ready", timeout=60_000)
    expect(editor.locator(".cdw-loading")).to_have_count(0)
    for _ in range(2):
        open_host.page.keyboard.press("Escape")
    expect(editor).to_be_hidden()
