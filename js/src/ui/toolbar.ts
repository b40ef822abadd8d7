/** The upper row: prompts to the model, manual tools, history, commands on the mask, zoom and help. */

import { h, setText } from "../dom";
import { TOOLS } from "../tools";
import { commandButton, group, popover, refreshAll, rovingFocus, slider, staticPart } from "./controls";
import type { CommandHost, DocumentHost, OptionHost, Part, StageHost } from "./host";
import { ICONS, icon } from "./icons";

const AMOUNT_RANGE = { min: 1, max: 50 }; // image pixels

type Host = DocumentHost & CommandHost & OptionHost & StageHost;

export function toolbar(host: Host): Part {
  const button = (name: string, text?: string) => commandButton(host.commands, name, { text });
  const tools = (arePrompts: boolean) =>
    Object.keys(TOOLS)
      .filter((name) => name !== "select" && host.doc.isPrompt(name) === arePrompts)
      .map((name) => button(name));
  const parts = [
    group("Selection", button("select")),
    group("Prompts to the model", ...tools(true)),
    group("Manual tools", ...tools(false), maskCommands(host)),
    group("History", button("undo"), button("redo")),
    group("Object", button("finish"), button("delete_last")),
    staticPart(h("span", { class: "cdw-spacer" })),
    zoomGroup(host),
    group("Help", button("help"), button("fullscreen")),
  ];
  const element = h(
    "div",
    { class: "cdw-toolbar", role: "toolbar", "aria-label": "Tools" },
    ...parts.map((part) => part.element),
  );
  const refreshStops = rovingFocus(element);
  const refresh = () => {
    refreshAll(parts);
    refreshStops();
  };
  return { element, refresh };
}

function zoomGroup({ commands, viewer }: Host): Part {
  const fit = commandButton(commands, "fit", { text: "" });
  fit.element.classList.add("cdw-zoom");
  const refresh = () => {
    fit.refresh();
    setText(fit.element, `${Math.round(viewer.camera.scale * 100)} %`);
  };
  const percentage = { element: fit.element, refresh };
  return group("Zoom", commandButton(commands, "zoom_out"), percentage, commandButton(commands, "zoom_in"));
}

/** Commands on the whole mask. The panel stays open, so that growing three times is three clicks. */
function maskCommands(host: Host): Part {
  const entry = (name: string, text: string) => commandButton(host.commands, name, { text });
  const amount = slider({
    label: "By",
    unit: "px",
    ...AMOUNT_RANGE,
    isCurved: true,
    get: () => host.options.amount,
    set: (amount) => host.setOptions({ amount }),
  });
  const parts = [
    entry("fill_holes", "Fill holes"),
    entry("keep_largest", "Keep the largest part"),
    staticPart(h("hr")),
    amount,
    entry("smooth", "Smooth"),
    entry("grow", "Grow"),
    entry("shrink", "Shrink"),
    entry("snap", "Snap to neighbors"),
  ];
  const content = h("div", { class: "cdw-menu" }, ...parts.map((part) => part.element));
  const panel = popover("Change the whole mask", icon(ICONS.commands), {
    element: content,
    refresh: () => refreshAll(parts),
  });
  const refresh = () => {
    panel.button.disabled = !host.doc.isEditable || !host.doc.current?.outline;
    panel.refresh();
  };
  return { element: panel.element, refresh };
}
