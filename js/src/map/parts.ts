/** The parts around the points: toolbar, legend, status line, overlay and the sheet of keys. */
import { h, setText } from "../dom";
import type { Shortcuts } from "../keys";
import { choice, commandButton, group, refreshAll, setTooltip, staticPart } from "../ui/controls";
import { commandLines, type HelpLine, helpSheet } from "../ui/help";
import type { Part } from "../ui/host";
import { ICONS, icon } from "../ui/icons";
import { noticeBanner } from "../ui/notice";
import { savedPicture } from "../ui/snapshot";
import { COMMANDS } from "./commands";
import type { HelpHost, MapCommandHost, PointsHost, SelectionHost, UsageHost } from "./host";
import { GRAY, NO_CLASS, type Points, SCALE_GRADIENT } from "./points";

const format = (value: number) => value.toLocaleString("en");

export function toolbar({ points, commands }: PointsHost & MapCommandHost): Part {
  const { model } = points;
  const coloring = choice(
    "Color by",
    { label: { text: "Class" }, status: { text: "Status" }, score: { text: "Score" } },
    () => model.get("color_by"),
    (coloring) => points.set("color_by", coloring),
  );
  const layout = choice(
    "Layout",
    {
      pca: { text: "PCA", title: "Principal components: immediate, and with the same distances everywhere" },
      tsne: { text: "t-SNE", title: "Keeps neighbors together; takes a minute for a few thousand points" },
    },
    () => model.get("projection"),
    (projection) => points.set("projection", projection),
  );
  const button = (name: string) => commandButton(commands, name);
  const parts = [
    group("Color", staticPart(h("span", { class: "cdw-label" }, "Color")), coloring),
    group("Layout", staticPart(h("span", { class: "cdw-label" }, "Layout")), layout),
    staticPart(h("span", { class: "cdw-spacer" })),
    group("View", button("zoom_out"), button("zoom_in"), button("fit")),
    group("Help", button("refresh"), button("help"), button("fullscreen")),
  ];
  const element = h(
    "div",
    { class: "cdw-toolbar cdw-map-bar", role: "toolbar", "aria-label": "Map" },
    ...parts.map((part) => part.element),
  );
  return { element, refresh: () => refreshAll(parts) };
}

const LEGEND_TITLES: Record<string, string> = { label: "Classes", status: "Statuses", score: "Scores" };
const LEGEND_NOTES: Record<string, string> = {
  label: "by largest object",
  status: "of the image",
  score: "of its worst instance",
};
const NO_VALUE_TEXTS: Record<string, string> = { label: "no instance", status: "no longer there", score: "no score" };

/** The meaning of the colors. A class is a button that selects its points. */
export function legend(host: PointsHost & SelectionHost): Part {
  const { points } = host;
  const title = h("h3", { class: "cdw-title" });
  const note = h("p", { class: "cdw-soft" });
  const list = h("div", { class: "cdw-rows" });
  const element = h("div", { class: "cdw-side" }, h("section", { class: "cdw-objects" }, title, note, list));
  let shown: unknown = null;

  function classButton(text: string, color: string, count: number, number: number) {
    const swatch = h("i", { class: "cdw-swatch" });
    swatch.style.setProperty("--swatch", color);
    const button = h(
      "button",
      {
        type: "button",
        class: "cdw-button cdw-class",
        onclick: (event: MouseEvent) => points.select(points.ofClass(number), host.selectionModeOf(event)),
      },
      swatch,
      h("span", { class: "cdw-name" }, text),
      h("span", { class: "cdw-area" }, format(count)),
    );
    button.title = text;
    button.setAttribute("aria-label", `Select ${text}, ${format(count)}`);
    return button;
  }

  function refresh() {
    element.hidden = !points.count;
    for (const button of list.querySelectorAll("button")) button.disabled = !host.isEditable;
    if (points.legend === shown) return;
    shown = points.legend;
    const { by, classes, low, high, none } = points.legend;
    setText(title, LEGEND_TITLES[by] ?? "");
    setText(note, LEGEND_NOTES[by] ?? "");
    const rows: HTMLElement[] = classes.map(({ name, color, count }, number) =>
      classButton(name || "(none)", color, count, number),
    );
    if (!classes.length) rows.push(scoreScale(low, high));
    if (none) rows.push(classButton(NO_VALUE_TEXTS[by], GRAY, none, NO_CLASS));
    list.replaceChildren(...rows);
  }

  return { element, refresh };
}

function scoreScale(low: number, high: number): HTMLElement {
  const label = `from ${low}, good, to ${high}, suspect`;
  const strip = h("div", { class: "cdw-scale", role: "img", "aria-label": label });
  strip.style.background = SCALE_GRADIENT;
  const ends = h("div", { class: "cdw-ends" }, h("span", {}, `${low} good`), h("span", {}, `${high} suspect`));
  return h("div", {}, strip, ends);
}

export function statusLine(host: PointsHost & SelectionHost): Part {
  const { points } = host;
  const phase = h("span", { class: "cdw-phase", role: "status" });
  const count = h("span");
  const missing = h("span");
  const clear = h(
    "button",
    { type: "button", class: "cdw-button cdw-small", onclick: () => host.clear() },
    icon(ICONS.close),
  );
  setTooltip(clear, "Clear the selection", "Escape");
  const element = h(
    "div",
    { class: "cdw-status" },
    h("i", { class: "cdw-light" }),
    phase,
    clear,
    h("span", { class: "cdw-spacer" }),
    missing,
    count,
  );

  function state(): [string, string] {
    const selected = points.selected.length;
    if (points.isLost) return ["failed", "No kernel"];
    if (points.isLoading) return ["working", "Working…"];
    return ["ready", selected ? `${format(selected)} selected` : "Ready"];
  }

  function refresh() {
    const [name, text] = state();
    element.dataset.state = name;
    setText(phase, text);
    clear.hidden = !points.selected.length;
    setText(count, `${format(points.count)} ${points.count === 1 ? "image" : "images"}`);
    setText(missing, points.missing ? `${format(points.missing)} without an embedding` : "");
  }

  return { element, refresh };
}

const isIdle = ({ isLoading, isLost }: Pick<Points, "isLoading" | "isLost">) => !isLoading && !isLost;

/** Whether the hint for the first gesture is shown: until points are selected, or a gesture begins. */
export function showsHint({ points, isDrawing, wasUsed }: PointsHost & UsageHost): boolean {
  const isUsed = points.selected.length > 0 || isDrawing || wasUsed;
  return isIdle(points) && points.count > 0 && !isUsed;
}

/** Over the points: the notice, the progress, and a hint for the first gesture. */
export function overlay(host: PointsHost & UsageHost): Part {
  const { points } = host;
  const notice = noticeBanner(points.kernel);
  const phase = h("span");
  const progress = h("div", { class: "cdw-pill cdw-progress" }, h("i", { class: "cdw-spinner" }), phase);
  const empty = h(
    "div",
    { class: "cdw-empty" },
    icon(ICONS.tiles),
    h("b", {}, "No embeddings yet"),
    h(
      "p",
      {},
      "Compute them once with ",
      h("code", {}, "cdwidget.run(cdwidget.Embed(), catalogue)"),
      ", then refresh.",
    ),
    h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => points.refresh() }, "Refresh"),
  );
  const hint = h(
    "div",
    { class: "cdw-pill cdw-hint" },
    h("b", {}, "Drag a lasso around points"),
    h("span", {}, "Shift adds, Alt removes"),
    h("span", {}, "wheel zooms"),
    h("span", {}, h("span", { class: "cdw-key" }, "?"), " all keys"),
  );
  const saved = savedPicture(points.model, () => points.count === 0);
  const element = h("div", { class: "cdw-overlay" }, saved.element, empty, notice.element, progress, hint);

  function refresh() {
    notice.refresh();
    saved.refresh();
    progress.hidden = !points.isLoading || points.isLost;
    const isSlow = points.loadingProjection === "tsne";
    setText(phase, isSlow ? "Computing t-SNE: a minute for a few thousand points" : "Computing the layout");
    empty.hidden = !isIdle(points) || points.count > 0 || !!points.kernel.notice;
    hint.hidden = !showsHint(host);
  }

  return { element, refresh };
}

const MAP_LINES: HelpLine[] = [
  ["Select", ["Drag a lasso", "Click"]],
  ["Add to the selection", ["Shift"]],
  ["Remove from the selection", ["Alt", "Right button"]],
  ["Select a class", ["Click in the legend"]],
  ["Zoom at the pointer", ["Wheel", "Ctrl+Wheel"]],
  ["Move the map", ["Middle button", "Arrows"]],
  ["Details of a point", ["Hover"]],
];

export function mapHelp(host: HelpHost & MapCommandHost & { shortcuts(): Shortcuts }): Part {
  return helpSheet(
    () => host.isHelping,
    () => host.setHelping(false),
    () => [
      { title: "On the map", lines: MAP_LINES },
      { title: "Keys", lines: commandLines(Object.keys(COMMANDS), host.commands, host.shortcuts()) },
    ],
  );
}
