/** The sheet of keys, made from the same tables that the keys and buttons use. */
import { COMMANDS } from "../commands";
import { TOOLS } from "../tools";
import type { Part, View } from "../view";
import { h } from "./dom";

const MOUSE: [string, string[]][] = [
  ["Add to the object", ["Left click"]],
  ["Take away from it", ["Right click", "Shift+Left click"]],
  ["A hand tool the other way round", ["Alt"]],
  ["Zoom at the pointer", ["Wheel", "Ctrl+Wheel"]],
  ["Choose a class", ["1–9"]],
];
const MASK = ["undo", "redo", "alternative", "lock", "smaller", "larger"];
const OBJECTS = ["finish", "delete_last", "delete", "duplicate", "merge", "rename", "forward", "backward"];

export function help(view: View): Part {
  const list = h("div", {});
  const element = h("div", { class: "cdw-help", role: "dialog", tabindex: "0", "aria-label": "Keys", onclick: () => view.set({ helping: false }) }, list);
  const line = ([title, keys]: [string, string[]]) => h("div", { class: "cdw-line" }, h("span", {}, title), h("span", {}, ...keys.map((key) => h("kbd", { class: "cdw-key" }, key))));
  const section = (title: string, lines: [string, string[]][]) => h("section", {}, h("b", {}, title), ...lines.map(line));

  function refresh() {
    if (element.hidden === !view.helping) return;
    element.hidden = !view.helping;
    const shortcuts: Record<string, string[]> = view.doc.model.get("shortcuts");
    const lines = (names: string[]) => names.filter((name) => shortcuts[name]?.length).map((name): [string, string[]] => [COMMANDS[name].title, shortcuts[name]]);
    const tools = Object.keys(TOOLS), rest = Object.keys(COMMANDS).filter((name) => ![...tools, ...MASK, ...OBJECTS].includes(name));
    list.replaceChildren(section("On the image", MOUSE), section("Tools", lines(tools)), section("Mask", lines(MASK)),
      section("Objects", lines(OBJECTS)), section("View", lines(rest)));
  }

  return { element, refresh };
}
