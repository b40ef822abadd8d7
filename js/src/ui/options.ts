/** The lower row: options of the active tool, and display settings of image and masks. Its height is fixed, so that the image does not move. */

import { h, setText } from "../dom";
import { TOOLS } from "../tools";
import { DIAMETER_RANGE } from "../tools/brush";
import type { ToolOption } from "../tools/tool";
import {
  checkbox,
  choice,
  commandButton,
  group,
  popover,
  refreshAll,
  setTooltip,
  slider,
  staticPart,
} from "./controls";
import { DEFAULT_DISPLAY } from "./display";
import type { CommandHost, DisplayHost, DocumentHost, OptionHost, Part } from "./host";
import { ICONS, icon } from "./icons";
import { windowControl } from "./window";

type Host = DocumentHost & CommandHost & OptionHost & DisplayHost;

export function optionRow(host: Host): Part {
  const { doc } = host;
  const { model } = doc;
  const trait = (name: "brush_size" | "tolerance" | "superpixels") => ({
    get: () => model.get(name),
    set: (value: number) => doc.set(name, value),
  });
  const controls: Record<ToolOption, Part> = {
    add: choice(
      "Effect of the tool",
      {
        add: { icon: ICONS.plus, text: "Add", title: "Add to the object; Alt or the right button removes" },
        remove: { icon: ICONS.minus, text: "Remove", title: "Remove from the object; Alt or the right button adds" },
      },
      () => (host.options.add ? "add" : "remove"),
      (value) => host.setOptions({ add: value === "add" }),
    ),
    size: slider({ label: "Size", unit: "px", ...DIAMETER_RANGE, isCurved: true, ...trait("brush_size") }),
    tolerance: slider({ label: "Tolerance", min: 0, max: 255, ...trait("tolerance") }),
    superpixels: slider({
      label: "Superpixels",
      min: 50,
      max: 5000,
      step: 50,
      isCurved: true,
      ...trait("superpixels"),
    }),
    straight: checkbox(
      "Straight lines",
      () => host.options.straight,
      (straight) => host.setOptions({ straight }),
    ),
    pressure: commandButton(host.commands, "pressure"),
    preview: commandButton(host.commands, "preview", { text: "Preview on hover" }),
  };
  const name = h("b", { class: "cdw-tool" });
  const hint = h("span", { class: "cdw-soft" });
  const lock = commandButton(host.commands, "lock", { text: "Protect edits" });
  lock.element.classList.add("cdw-lock");
  const left = h(
    "div",
    { class: "cdw-settings", role: "group", "aria-label": "Tool options" },
    name,
    ...Object.values(controls).map((part) => part.element),
    h("div", { class: "cdw-how" }, hint),
  );
  const right = [lock, displayGroup(host)];
  const element = h("div", { class: "cdw-options" }, left, ...right.map((part) => part.element));

  function refresh() {
    const tool = TOOLS[model.get("tool")];
    setText(name, doc.labelOf(tool.name));
    setText(hint, tool.hint);
    for (const [key, part] of Object.entries(controls)) {
      part.element.hidden = !tool.options?.includes(key as ToolOption);
      if (!part.element.hidden) part.refresh();
    }
    left.toggleAttribute("inert", !doc.isEditable);
    refreshAll(right);
  }

  return { element, refresh };
}

/** Opacity of the masks, the image without them, pixel sources, and the colors of the image. */
function displayGroup(host: Host): Part {
  const { doc } = host;
  const track = h("input", {
    type: "range",
    min: "0",
    max: "1",
    step: "0.05",
    "aria-label": "Opacity of the masks",
    oninput: () => doc.set("opacity", Number(track.value)),
  });
  const opacity = h("div", { class: "cdw-opacity" }, icon(ICONS.opacity), track);
  setTooltip(opacity, "Opacity of the masks");
  opacity.removeAttribute("aria-label"); // the slider has it
  const refresh = () => {
    if (Number(track.value) !== doc.model.get("opacity")) track.value = String(doc.model.get("opacity"));
  };
  return group(
    "Display",
    staticPart(opacity, refresh),
    commandButton(host.commands, "peek"),
    commandButton(host.commands, "names"),
    commandButton(host.commands, "color_by_object"),
    commandButton(host.commands, "on_white"),
    commandButton(host.commands, "sources"),
    colorPopover(host),
  );
}

function colorPopover(host: DisplayHost & DocumentHost): Part {
  const display = (name: "brightness" | "contrast") => ({
    get: () => host.display[name],
    set: (value: number) => host.setDisplay({ [name]: value }),
  });
  const channels = {
    color: { text: "Color" },
    gray: { text: "Gray" },
    red: { text: "R", title: "Red" },
    green: { text: "G", title: "Green" },
    blue: { text: "B", title: "Blue" },
  };
  const parts = [
    slider({ label: "Brightness", min: 0.2, max: 4, step: 0.05, isCurved: true, ...display("brightness") }),
    slider({ label: "Contrast", min: 0.2, max: 4, step: 0.05, isCurved: true, ...display("contrast") }),
    choice(
      "Channel",
      channels,
      () => host.display.channel,
      (channel) => host.setDisplay({ channel }),
    ),
    checkbox(
      "Sharp pixels",
      () => host.display.sharp,
      (sharp) => host.setDisplay({ sharp }),
    ),
    checkbox(
      "Pixel grid when zoomed in",
      () => host.display.grid,
      (grid) => host.setDisplay({ grid }),
    ),
  ];
  const reset = h(
    "button",
    { type: "button", class: "cdw-button", onclick: () => host.setDisplay(DEFAULT_DISPLAY) },
    "Reset",
  );
  const window = windowControl(host);
  const content = h("div", { class: "cdw-picture" }, window.element, ...parts.map((part) => part.element), reset);
  const isDefault = () => JSON.stringify(host.display) === JSON.stringify(DEFAULT_DISPLAY);
  const refreshContent = () => {
    refreshAll([window, ...parts]);
    reset.disabled = isDefault();
  };
  const panel = popover("Brightness, contrast, channels, intensity window", icon(ICONS.adjust), {
    element: content,
    refresh: refreshContent,
  });
  const refresh = () => {
    panel.button.classList.toggle("cdw-changed", !isDefault());
    panel.refresh();
  };
  return { element: panel.element, refresh };
}
