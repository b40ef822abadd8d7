/** The sheet of keys, made from the same table that the keys and buttons use. */
import { h } from "../ui/dom";
import type { Part } from "../view";
import { COMMANDS } from "./commands";
import type { GalleryView } from "./view";

const HAND: [string, string[]][] = [
  ["Go to a tile", ["←", "→", "↑", "↓"]],
  ["A screen, the first, the last", ["PageUp", "PageDown", "Home", "End"]],
  ["Edit", ["Double click"]],
  ["Select beside", ["Ctrl+Click"]],
  ["Select up to", ["Shift+Click", "Shift+Arrows"]],
  ["Where it looks wrong", ["Rest the pointer"]],
];

export function help(view: GalleryView): Part {
  const list = h("div");
  const element = h("div", { class: "cdw-help", role: "dialog", tabindex: "0", "aria-label": "Keys", onclick: () => view.set({ helping: false }) }, list);
  const line = ([title, keys]: [string, string[]]) => h("div", { class: "cdw-line" }, h("span", {}, title), h("span", {}, ...keys.map((key) => h("kbd", { class: "cdw-key" }, key))));
  const section = (title: string, lines: [string, string[]][]) => h("section", {}, h("b", {}, title), ...lines.map(line));

  function refresh() {
    if (element.hidden === !view.helping) return;
    element.hidden = !view.helping;
    const shortcuts: Record<string, string[]> = view.queue.model.get("shortcuts");
    const lines = (editor: boolean) => Object.entries(COMMANDS).filter(([name, { where }]) => shortcuts[name]?.length && (where === "editor") === editor)
      .map(([name, { title }]): [string, string[]] => [title, shortcuts[name]]);
    list.replaceChildren(section("Tiles", HAND), section("Over the tiles", lines(false)), section("In the editor, besides its own", [...lines(true), ["Back to the tiles", ["Esc Esc"]]]));
  }

  return { element, refresh };
}
