"""The ipywidgets that an Inspector is made of, without their behavior."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence, get_args

import ipywidgets as widgets

from cdwidget.inspection import Branch
from cdwidget.widget.maps import MAPS
from cdwidget.widget.panel import Panel

PLAY_INTERVAL_MS = 350  # Time between two steps.
LISTED_COLORMAPS = ("magma", "inferno", "viridis", "cividis", "PiYG", "coolwarm", "gray")
STYLE = (Path(__file__).parent / "inspector.css").read_text()


class InspectorControls:
    """The controls and texts of an inspector.

    Args:
        panels: The panels that maps are drawn on, side by side.

    Attributes:
        inputs: The control of each trait of the inspector, except `number` and `query`.
        slider: The step or head.
        steps: The box around the slider.
        message: Why there is nothing to show.
        chips: The findings.
        status: The value under the pointer.
        children: The parts, from top to bottom.
    """

    def __init__(self, panels: Sequence[Panel]) -> None:
        def full(**more: str) -> widgets.Layout:
            return widgets.Layout(width="auto", **more)

        narrow = {"description_width": "62px"}
        maps = [(entry.title, name) for name, entry in MAPS.items()]
        colormaps = [("the map's own", ""), *((name, name) for name in LISTED_COLORMAPS)]
        self.map = widgets.Select(options=maps, value=maps[0][1], rows=len(MAPS), layout=full(), tooltip="Map to show")
        self.branch = widgets.ToggleButtons(options=get_args(Branch), layout=full(), style={"button_width": "calc(50% - 6px)"})
        self.compare = widgets.Dropdown(options=[("nothing", "")], description="compare", layout=full(), style=narrow)
        self.opacity = widgets.FloatSlider(min=0, max=1, step=0.05, description="opacity", layout=full(), style=narrow)
        self.colormap = widgets.Dropdown(options=colormaps, description="colormap", layout=full(), style=narrow)
        self.smooth = widgets.Checkbox(description="smooth tokens", indent=False, layout=full())
        self.marks = widgets.Checkbox(value=True, description="clicks and outline", indent=False, layout=full())
        self.inputs: dict[str, widgets.Widget] = {
            "map": self.map,
            "branch": self.branch,
            "compare": self.compare,
            "opacity": self.opacity,
            "colormap": self.colormap,
            "smooth": self.smooth,
            "marks": self.marks,
        }
        self.play = widgets.Play(interval=PLAY_INTERVAL_MS, min=0, max=1, show_repeat=False)
        self.slider = widgets.IntSlider(min=0, max=1, readout=False, layout=widgets.Layout(flex="1 1 auto", min_width="80px"))
        self.step_name = widgets.HTML()
        widgets.jslink((self.play, "value"), (self.slider, "value"))
        self.steps = widgets.HBox([self.play, self.slider, self.step_name], layout=full(max_width="520px", align_items="center"))
        self.message, self.chips, self.scale_bar, self.scale_labels, self.status, self.about = (widgets.HTML() for _ in range(6))

        side = widgets.VBox(list(self.inputs.values()), layout=widgets.Layout(flex="0 0 250px"))
        row = widgets.HBox(panels, layout=full(justify_content="flex-start"))
        row.add_class("cdi-panels")
        shown = [row, self.scale_bar, self.scale_labels, self.steps, self.status, self.about]
        main = widgets.VBox(shown, layout=widgets.Layout(flex="1 1 0"))
        main.add_class("cdi-shown")
        self.body = widgets.HBox([side, main], layout=full())
        self.children = [widgets.HTML(f"<style>{STYLE}</style>"), self.message, self.chips, self.body]

    def show_message(self, message_html: str) -> None:
        """Show a message instead of the maps; "" shows the maps."""
        self.message.value = f"<div class='cdi-message'>{message_html}</div>" if message_html else ""
        self.body.layout.display = "none" if message_html else ""

    def offer_variants(self, variants: Sequence[str], chosen: str) -> None:
        """Set the choices of `compare`."""
        options = [("nothing", ""), *((variant, variant) for variant in variants)]
        if list(self.compare.options) != options:
            self.compare.options = options
            self.compare.value = chosen
        self.compare.disabled = not variants

    def offer_steps(self, names: Sequence[str]) -> None:
        """Set the positions of the slider; without names it is hidden."""
        self.steps.layout.display = "" if names else "none"
        if names:
            self.play.max = self.slider.max = len(names) - 1

    def show_step(self, number: int, name: str) -> None:
        """Move the slider to a step and show its name."""
        self.slider.value = number
        self.step_name.value = f"<span class='cdi-step'>{name}</span>"
