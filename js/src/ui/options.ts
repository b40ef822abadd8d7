/** The lower row: what the tool in hand is set to, and how picture and masks are shown. As high for every tool: the image stays in place. */
import { PLAIN } from "../display";
import { TOOLS } from "../tools";
import { DIAMETER } from "../tools/brush";
import type { Part, View } from "../view";
import { button, check, choice, group, popover, slider, still, tip } from "./controls";
import { h, setText } from "./dom";
import { icon } from "./icons";

type Name = "add" | "size" | "tolerance" | "superpixels" | "straight" | "pressure" | "preview";

const OPTIONS: Record<string, Name[]> = {
  click: ["preview"],
  brush: ["add", "size", "pressure"],
  eraser: ["size", "pressure"],
  polygon: ["add"],
  lasso: ["add", "straight"],
  superpixel: ["add", "superpixels"],
  wand: ["add", "tolerance"],
  matte: ["size"],
};

export function options(view: View): Part {
  const { model } = view.doc;
  const trait = (name: string) => ({ get: () => model.get(name) as number, set: (value: number) => view.write(name, value) });
  const controls: Record<Name, Part> = {
    add: choice("What the tool does", {
      add: { icon: "plus", text: "Add", title: "Add to the mask; hold Alt to take away" },
      remove: { icon: "minus", text: "Remove", title: "Take away from the mask; hold Alt to add" },
    }, () => (view.options.add ? "add" : "remove"), (value) => view.setOptions({ add: value === "add" })),
    size: slider({ label: "Size", unit: "px", ...DIAMETER, curved: true, ...trait("brush_size") }),
    tolerance: slider({ label: "Tolerance", min: 0, max: 255, ...trait("tolerance") }),
    superpixels: slider({ label: "Superpixels", min: 50, max: 5000, step: 50, curved: true, ...trait("superpixels") }),
    straight: check("Straight lines", () => view.options.straight, (straight) => view.setOptions({ straight })),
    pressure: button(view, "pressure"),
    preview: button(view, "preview", { text: "Preview" }),
  };
  const name = h("b", { class: "cdw-tool" }), hint = h("span", { class: "cdw-soft" });
  const lock = button(view, "lock", { text: "Lock my pixels" });
  lock.element.classList.add("cdw-lock");
  const settings = Object.values(controls);
  const left = h("div", { class: "cdw-settings", role: "group", "aria-label": "Options of the tool" },
    name, ...settings.map((part) => part.element), h("div", { class: "cdw-how" }, hint));
  const right = [lock, shown(view)];
  const element = h("div", { class: "cdw-options" }, left, ...right.map((part) => part.element));

  function refresh() {
    const tool = TOOLS[model.get("tool")], [title, how = ""] = tool.title.split(/:\s*/);
    const wanted = OPTIONS[tool.id] ?? [];
    setText(name, title);
    setText(hint, how);
    for (const [key, part] of Object.entries(controls)) {
      part.element.hidden = !wanted.includes(key as Name);
      if (!part.element.hidden) part.refresh();
    }
    left.toggleAttribute("inert", !view.doc.editable);
    right.forEach((part) => part.refresh());
  }

  return { element, refresh };
}

/** Opacity of the masks, the image without them, where pixels come from, and the picture's colours. */
function shown(view: View): Part {
  const { model } = view.doc;
  const track = h("input", {
    type: "range", min: "0", max: "1", step: "0.05", "aria-label": "Opacity of the masks",
    oninput: () => view.write("opacity", Number(track.value)),
  });
  const opacity = h("div", { class: "cdw-opacity" }, icon("opacity"), track);
  tip(opacity, "Opacity of the masks");
  opacity.removeAttribute("aria-label"); // the slider has it
  const refresh = () => { if (Number(track.value) !== model.get("opacity")) track.value = String(model.get("opacity")); };
  return group("What is shown", still(opacity, refresh), button(view, "peek"), button(view, "sources"), picture(view));
}

function picture(view: View): Part {
  const of = (name: "brightness" | "contrast") => ({ get: () => view.display[name], set: (value: number) => view.setDisplay({ [name]: value }) });
  const channels = { color: { text: "Colour" }, grey: { text: "Grey" }, red: { text: "R", title: "Red" }, green: { text: "G", title: "Green" }, blue: { text: "B", title: "Blue" } };
  const parts = [
    slider({ label: "Brightness", min: 0.2, max: 4, step: 0.05, curved: true, ...of("brightness") }),
    slider({ label: "Contrast", min: 0.2, max: 4, step: 0.05, curved: true, ...of("contrast") }),
    choice("Channel", channels, () => view.display.channel, (channel) => view.setDisplay({ channel })),
    check("Sharp pixels", () => view.display.sharp, (sharp) => view.setDisplay({ sharp })),
    check("Pixel grid when zoomed in", () => view.display.grid, (grid) => view.setDisplay({ grid })),
  ];
  const reset = h("button", { type: "button", class: "cdw-button", onclick: () => view.setDisplay(PLAIN) }, "Show as it is");
  const content = h("div", { class: "cdw-picture" }, ...parts.map((part) => part.element), reset);
  const plain = () => JSON.stringify(view.display) === JSON.stringify(PLAIN);
  const refreshContent = () => {
    parts.forEach((part) => part.refresh());
    reset.disabled = plain();
  };
  const { element, button: opener, refresh } = popover("Brightness, contrast, channels", "adjust", { element: content, refresh: refreshContent });
  return {
    element,
    refresh() {
      opener.classList.toggle("cdw-changed", !plain());
      refresh();
    },
  };
}
