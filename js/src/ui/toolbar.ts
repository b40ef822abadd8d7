/** The upper row: what one works with. Prompts to the model, tools of the hand, history, and commands on the mask. */
import { PROMPTS } from "../actions";
import { TOOLS } from "../tools";
import type { Part, View } from "../view";
import { button, group, popover, slider, still } from "./controls";
import { h, setText } from "./dom";

const AMOUNT = { min: 1, max: 50 }; // pixels

export function toolbar(view: View): Part {
  const tools = (prompts: boolean) => Object.keys(TOOLS).filter((id) => PROMPTS.includes(id) === prompts).map((id) => button(view, id));

  function zoom(): Part {
    const fit = button(view, "fit", { text: "" });
    fit.element.classList.add("cdw-zoom");
    const refresh = () => {
      fit.refresh();
      setText(fit.element, `${Math.round(view.viewer.camera.scale * 100)} %`);
    };
    return group("Zoom", button(view, "zoom_out"), { element: fit.element, refresh }, button(view, "zoom_in"));
  }

  /** Commands stay open: growing three times is three clicks. */
  function commands(): Part {
    const entry = (name: string, text: string) => button(view, name, { text });
    const amount = slider({
      label: "By", unit: "px", ...AMOUNT, curved: true, get: () => view.options.amount, set: (amount) => view.setOptions({ amount }),
    });
    const parts = [
      entry("fill_holes", "Fill holes"), entry("keep_largest", "Keep the largest part"), still(h("hr")),
      amount, entry("smooth", "Smooth"), entry("grow", "Grow"), entry("shrink", "Shrink"), entry("snap", "Snap to neighbours"),
    ];
    const list = h("div", { class: "cdw-menu" }, ...parts.map((part) => part.element));
    const { element, button: opener, refresh } = popover("Change the whole mask", "commands", { element: list, refresh: () => parts.forEach((part) => part.refresh()) });
    return {
      element,
      refresh() {
        opener.disabled = !view.doc.editable || !view.doc.current?.outline;
        refresh();
      },
    };
  }

  const parts = [
    group("Prompts to the model", ...tools(true)),
    group("Tools of the hand", ...tools(false), commands()),
    group("History", button(view, "undo"), button(view, "redo")),
    group("Object", button(view, "finish"), button(view, "delete_last")),
    still(h("span", { class: "cdw-spacer" })),
    zoom(),
    group("Help", button(view, "help"), button(view, "fullscreen")),
  ];
  const element = h("div", { class: "cdw-toolbar", role: "toolbar", "aria-label": "Tools" }, ...parts.map((part) => part.element));
  return { element, refresh: () => parts.forEach((part) => part.refresh()) };
}
