/** The upper row of a gallery: order, filters, what is shown of each tile, and commands. */
import { commandButton, group, popover, slider, still, tip } from "../ui/controls";
import { h } from "../ui/dom";
import { icon } from "../ui/icons";
import type { Part } from "../view";
import { COMMANDS } from "./commands";
import { isFiltered, PLAIN, scores, search, several } from "./filters";
import { digits, titleOf } from "./tile";
import type { GalleryView } from "./view";

const TILE = { min: 96, max: 320 }; // CSS pixels
const ORDERS: Record<string, string> = { score: "Score", label: "Label", area: "Area", status: "Status", id: "As added" };

export function head(view: GalleryView): Part & { search(): void } {
  const { queue, queue: { model } } = view;
  const find = search(view);
  const clear = h("button", { type: "button", class: "cdw-button", onclick: () => queue.write(PLAIN) }, "Clear");
  tip(clear, "Clear all filters");
  const button = (name: string, text?: string) => commandButton(view, name, COMMANDS[name], { text });
  const clearing = still(clear, () => { clear.hidden = !isFiltered(model); });
  const parts = [
    group("Order", order(view)),
    group("Filters", several(view, "Status", "status", () => queue.choices.statuses), several(view, "Class", "labels", () => queue.choices.labels),
      several(view, "Tag", "tag", () => queue.choices.tags), scores(view), find, clearing),
    still(h("span", { class: "cdw-spacer" })),
    group("Verdict", button("accept"), button("reject"), button("skip"), button("undo")),
    group("What is shown", button("heat"), button("peek"), shown(view)),
    group("Help", button("refresh"), button("help"), button("fullscreen")),
  ];
  const element = h("div", { class: "cdw-toolbar cdw-head", role: "toolbar", "aria-label": "List" }, ...parts.map((part) => part.element));
  return {
    element,
    refresh: () => parts.forEach((part) => part.refresh()),
    search() {
      find.element.focus();
      find.element.select();
    },
  };
}

/** By what the tiles are sorted, and which end comes first. */
function order(view: GalleryView): Part {
  const { queue, queue: { model } } = view;
  const by = (): [string, boolean] => [model.get("order_by").replace(/^-/, ""), model.get("order_by").startsWith("-")];
  const list = h("select", { class: "cdw-typed cdw-order", "aria-label": "Sort by", onchange: () => queue.write({ order_by: `${by()[1] ? "-" : ""}${list.value}` }) });
  const turn = h("button", { type: "button", class: "cdw-button", onclick: () => queue.write({ order_by: by()[1] ? by()[0] : `-${by()[0]}` }) });
  let shown = "";

  function refresh() {
    const [name, descending] = by(), names = [...new Set(["score", ...queue.choices.scores, ...Object.keys(ORDERS), name])];
    const state = JSON.stringify([names, name, descending]);
    list.disabled = turn.disabled = queue.dead;
    if (state === shown) return;
    shown = state;
    list.replaceChildren(...names.filter((one) => one !== "overall" || name === one).map((value) => h("option", { value }, ORDERS[value] ?? titleOf(value))));
    list.value = name;
    turn.replaceChildren(icon(descending ? "descending" : "ascending"));
    tip(turn, descending ? "The highest first; turn the order round" : "The lowest first; turn the order round");
  }

  return { element: h("div", { class: "cdw-sort" }, list, turn), refresh };
}

function shown(view: GalleryView): Part {
  const { queue, queue: { model } } = view;
  const parts = [
    slider({ label: "Tile", unit: "px", ...TILE, step: 8, get: () => model.get("tile"), set: (tile) => queue.write({ tile }) }),
    slider({ label: "Mask", min: 0, max: 1, step: 0.05, get: () => model.get("opacity"), set: (opacity) => queue.write({ opacity: Number(digits(opacity)) }) }),
  ];
  const content = h("div", { class: "cdw-picture" }, ...parts.map((part) => part.element));
  return popover("Size of the tiles, opacity of the masks", "adjust", { element: content, refresh: () => parts.forEach((part) => part.refresh()) });
}
