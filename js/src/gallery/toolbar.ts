/** The upper row of a gallery: order, filters, decisions, display and help. */
import { h } from "../dom";
import { commandButton, group, popover, refreshAll, setTooltip, slider, staticPart } from "../ui/controls";
import type { Part } from "../ui/host";
import { ICONS, icon } from "../ui/icons";
import { type AssignPanel, assignPanel } from "./assign";
import { attributeTexts, parseAttribute } from "./attribute_text";
import {
  attributeFilter,
  isFiltered,
  listsImages,
  NO_FILTERS,
  rangeFilter,
  searchField,
  valueFilter,
  withoutObjectsFilter,
} from "./filters";
import type { FocusTarget, GalleryCommandHost, LabelColorHost, PanelName, QueueHost, TargetHost } from "./host";
import { problemsPanel } from "./problems";
import { scoreTitle } from "./tile";

const TILE_RANGE = { min: 96, max: 320 }; // CSS pixels
const ORDERS: Record<string, string> = {
  score: "Score",
  label: "Label",
  area: "Area",
  status: "Status",
  confidence: "Confidence",
  id: "As added",
};

export interface GalleryToolbar extends Part {
  search(): void;
  assign(panel: PanelName): void;
}

export function toolbar(
  host: QueueHost & GalleryCommandHost & LabelColorHost & FocusTarget & TargetHost,
): GalleryToolbar {
  const { queue } = host;
  const panels: Record<PanelName, AssignPanel> = {
    label: assignPanel(host, {
      noun: "Class",
      title: "Set the class of the selected",
      icon: ICONS.names,
      known: () => queue.choices.labels,
      allows: () => !listsImages(queue.model),
      assign: (ids, label) => void queue.setLabel(ids, label),
    }),
    attribute: assignPanel(host, {
      noun: "Attribute: value",
      title: "Set an attribute of the selected",
      icon: ICONS.attribute,
      known: () => attributeTexts(queue.attributes),
      allows: (text) => !listsImages(queue.model) && (!text || parseAttribute(text, queue.attributes) !== null),
      assign(ids, text) {
        const attribute = parseAttribute(text, queue.attributes);
        if (attribute) void queue.setAttribute(ids, attribute.name, attribute.value);
      },
    }),
    add_tag: assignPanel(host, {
      noun: "Tag",
      title: "Tag the images of the selected",
      icon: ICONS.tag,
      known: () => queue.choices.tags,
      assign: (ids, tag) => void queue.addTag(ids, tag),
    }),
  };
  const search = searchField(host);
  const clear = h("button", { type: "button", class: "cdw-button", onclick: () => queue.set(NO_FILTERS) }, "Clear");
  setTooltip(clear, "Clear all filters");
  const button = (name: string) => commandButton(host.commands, name);
  const clearPart = staticPart(clear, () => {
    clear.hidden = !isFiltered(queue.model);
  });
  const filters = [
    group("Order", orderControl(host)),
    group(
      "Filters",
      valueFilter(host, "Status", "status", () => queue.choices.statuses),
      valueFilter(host, "Class", "filter_labels", () => queue.choices.labels),
      valueFilter(host, "Tag", "tag", () => queue.choices.tags),
      rangeFilter(host, "Score", ["min_score", "max_score"], () => true),
      rangeFilter(host, "Confidence", ["min_confidence", "max_confidence"], () => queue.choices.has_confidence),
      attributeFilter(host),
      withoutObjectsFilter(host),
      search,
      clearPart,
    ),
    problemsPanel(host),
  ];
  const actions = [
    group("Decision", button("accept"), button("reject"), button("skip"), button("undo")),
    group("Labels", panels.label, panels.attribute, panels.add_tag),
    group("Display", button("heat"), button("peek"), displayPopover(host)),
    group("Help", button("refresh"), button("help"), button("fullscreen")),
  ];
  const element = h(
    "div",
    { class: "cdw-toolbar cdw-head", role: "toolbar", "aria-label": "List" },
    ...filters.map((part) => part.element),
    h("div", { class: "cdw-actions" }, ...actions.map((part) => part.element)),
  );
  return {
    element,
    refresh: () => refreshAll([...filters, ...actions]),
    search() {
      search.element.focus();
      search.element.select();
    },
    assign: (panel) => panels[panel].open(),
  };
}

/** The value to sort by, and the direction. */
function orderControl({ queue }: QueueHost): Part {
  const order = () => {
    const value = queue.model.get("order_by");
    return { name: value.replace(/^-/, ""), isDescending: value.startsWith("-") };
  };
  const setOrder = (name: string, isDescending: boolean) =>
    queue.set({ order_by: `${isDescending ? "-" : ""}${name}` });
  const list = h("select", {
    class: "cdw-typed cdw-order",
    "aria-label": "Sort by",
    onchange: () => setOrder(list.value, order().isDescending),
  });
  const direction = h("button", {
    type: "button",
    class: "cdw-button",
    onclick: () => setOrder(order().name, !order().isDescending),
  });
  const element = h("div", { class: "cdw-sort" }, list, direction);
  let shown = "";

  function refresh() {
    const { name, isDescending } = order();
    const names = [...new Set(["score", ...queue.choices.scores, ...Object.keys(ORDERS), name])];
    const state = JSON.stringify([names, name, isDescending]);
    element.hidden = listsImages(queue.model); // they are listed as they were added
    list.disabled = queue.isLost;
    direction.disabled = queue.isLost;
    if (state === shown) return;
    shown = state;
    const offered = names.filter((one) => one !== "overall" || name === one); // "score" already means the overall score
    list.replaceChildren(...offered.map((value) => h("option", { value }, ORDERS[value] ?? scoreTitle(value))));
    list.value = name;
    direction.replaceChildren(icon(isDescending ? ICONS.descending : ICONS.ascending));
    setTooltip(direction, isDescending ? "Highest first; click to reverse" : "Lowest first; click to reverse");
  }

  return { element, refresh };
}

function displayPopover({ queue }: QueueHost): Part {
  const { model } = queue;
  const parts = [
    slider({
      label: "Tile",
      unit: "px",
      ...TILE_RANGE,
      step: 8,
      get: () => model.get("tile"),
      set: (tile) => queue.set({ tile }),
    }),
    slider({
      label: "Mask",
      min: 0,
      max: 1,
      step: 0.05,
      get: () => model.get("opacity"),
      set: (opacity) => queue.set({ opacity: Number(opacity.toFixed(2)) }),
    }),
  ];
  const content = h("div", { class: "cdw-picture" }, ...parts.map((part) => part.element));
  return popover("Size of the tiles, opacity of the masks", icon(ICONS.adjust), {
    element: content,
    refresh: () => refreshAll(parts),
  });
}
