"""A sequence: going on follows the objects; nothing is confirmed without the user, and undo and a restart keep the proposals."""

from __future__ import annotations

import numpy as np
import skimage.data
from PIL import Image
from playwright.sync_api import Page, expect

from support.jupyterlab import Lab, Notebook, Widget

CELL = """
import cdwidget
w = cdwidget.Annotator("frames/", labels=["coin"], index=0)
w
"""
STEP_PX = 4  # Between two images.


def confirmed(w: Widget) -> list[bool]:
    found: list[bool] = w.value("[one.confirmed for one in {}.instances]")
    return found


def saved(w: Widget) -> list[int]:
    found: list[int] = w.value("[len(item.instances) for item in {}.items]")
    return found


def test_objects_are_followed_and_confirmed_by_the_user_only(lab: Lab, page: Page) -> None:
    coins = np.stack([skimage.data.coins()[:200, :250]] * 3, -1)
    (lab.notebooks / "frames").mkdir()
    for number in range(3):
        shifted = np.roll(coins, STEP_PX * number, 1)
        Image.fromarray(shifted).save(lab.notebooks / "frames" / f"{number}.png")
    notebook = Notebook.open(lab, page, "follow.ipynb", [CELL])
    notebook.run_all()
    w = notebook.widget()
    w.click(48, 48)
    w.press("Enter")
    w.press("n")
    w.press("d")
    row = w.root.locator(".cdw-unconfirmed")
    expect(row).to_be_visible()
    expect(row.locator(".cdw-certainty")).to_be_visible()
    assert confirmed(w) == [False] and saved(w)[:2] == [1, 0]
    w.press("Control+z")
    expect(row).to_have_count(0)
    w.press("Control+Shift+Z")
    expect(row).to_be_visible()

    notebook.kill_kernel()
    notebook.run_all()
    w = notebook.widget()
    w.root.focus()
    w.press("d")
    expect(row).to_be_visible()  # The proposal is still one.
    assert confirmed(w) == [False] and saved(w)[:2] == [1, 0]
    w.press("n")
    w.press("y")
    assert w.value("{}.index") == 2 and confirmed(w) == [False] and saved(w) == [1, 1, 0]
    assert w.value(f"bool({{}}.instances[0].mask[48, {48 + 2 * STEP_PX}])")
