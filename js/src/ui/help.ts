/** The sheet of keys, made from the same two tables that the keys and buttons use. */
import { COMMANDS } from "../commands";
import type { Part, View } from "../view";
import { h } from "./dom";

const MOUSE: [string, string[]][] = [
  ["Add to the object", ["Left click"]],
  ["Take away from it", ["Right click", "Shift+Left click"]],
  ["Zoom at the pointer", ["Wheel", "Ctrl+Wheel"]],
  ["Choose a label", ["1–9"]],
];

export function help(view: View): Part {
  const list = h("div", {});
  const element = h("div", { class: "cdw-help", role: "dialog", "aria-label": "Keys", onclick: () => view.set({ helping: false }) }, list);
  const line = (title: string, keys: string[]) => [
    h("span", { class: "cdw-what" }, title),
    h("span", { class: "cdw-with" }, ...keys.map((key) => h("span", { class: "cdw-key" }, key))),
  ];

  function refresh() {
    if (element.hidden === !view.helping) return;
    element.hidden = !view.helping;
    const shortcuts: Record<string, string[]> = view.doc.model.get("shortcuts");
    const keys = Object.entries(COMMANDS).map(([name, command]): [string, string[]] => [command.title, shortcuts[name] ?? []]);
    list.replaceChildren(...[...MOUSE, ...keys].flatMap(([title, names]) => line(title, names)));
  }

  return { element, refresh };
}
