/** What is round the points: the bar above, the legend beside, the line below, and what lies over them. */
import { choice, commandButton, group, still, tip } from "../ui/controls";
import { h, setText } from "../ui/dom";
import { icon } from "../ui/icons";
import type { Part } from "../view";
import { COMMANDS } from "./commands";
import { GREY, gradient, NONE } from "./points";
import type { MapView } from "./view";

const number = (value: number) => value.toLocaleString("en");

export function bar(view: MapView): Part {
  const { points } = view, { model } = points;
  const colors = choice("Colour by", { label: { text: "Class" }, status: { text: "Status" }, score: { text: "Score" } },
    () => model.get("color_by"), (by) => points.write("color_by", by));
  const places = choice("Place by", { pca: { text: "PCA", title: "Principal components: at once, and the same distances everywhere" }, tsne: { text: "t-SNE", title: "Keeps neighbours together: some thousand points take a minute" } },
    () => model.get("projection"), (projection) => points.write("projection", projection));
  const button = (name: string) => commandButton(view, name, COMMANDS[name]);
  const parts = [
    group("Colour", still(h("span", { class: "cdw-label" }, "Colour")), colors),
    group("Place", still(h("span", { class: "cdw-label" }, "Place")), places),
    still(h("span", { class: "cdw-spacer" })),
    group("View", button("zoom_out"), button("zoom_in"), button("fit")),
    group("Help", button("refresh"), button("help"), button("fullscreen")),
  ];
  const element = h("div", { class: "cdw-toolbar cdw-map-bar", role: "toolbar", "aria-label": "Map" }, ...parts.map((part) => part.element));
  return { element, refresh: () => parts.forEach((part) => part.refresh()) };
}

const TITLES: Record<string, string> = { label: "Classes", status: "Statuses", score: "Scores" };
const ABOUT: Record<string, string> = { label: "what covers most of the image", status: "of the image", score: "of its worst instance" };
const NOTHING: Record<string, string> = { label: "no instance", status: "no longer there", score: "no score" };

/** What the colours mean. A class is a button that selects its points. */
export function legend(view: MapView): Part {
  const { points } = view, title = h("h3", { class: "cdw-title" }), about = h("p", { class: "cdw-soft" }), list = h("div", { class: "cdw-rows" });
  const element = h("div", { class: "cdw-side" }, h("section", { class: "cdw-objects" }, title, about, list));
  let shown: unknown = null;

  function refresh() {
    element.hidden = !points.count;
    for (const button of list.querySelectorAll("button")) button.disabled = !view.editable;
    if (points.legend === shown) return;
    shown = points.legend;
    const { by, classes, low, high, none } = points.legend;
    setText(title, TITLES[by] ?? "");
    setText(about, ABOUT[by] ?? "");
    const rows = classes.length ? classes.map(({ name, color, count }, at) => row(name || "(none)", color, count, at)) : [scale(low, high)];
    list.replaceChildren(...rows, ...(none ? [row(NOTHING[by], GREY, none, NONE)] : []));
  }

  function row(text: string, color: string, count: number, at: number) {
    const swatch = h("i", { class: "cdw-swatch" });
    swatch.style.setProperty("--swatch", color);
    const button = h("button", { type: "button", class: "cdw-button cdw-class", onclick: (event: MouseEvent) => points.select(points.of(at), view.how(event)) },
      swatch, h("span", { class: "cdw-name" }, text), h("span", { class: "cdw-area" }, number(count)));
    button.title = text;
    button.setAttribute("aria-label", `Select ${text}, ${number(count)}`);
    return button;
  }

  function scale(low: number, high: number) {
    const strip = h("div", { class: "cdw-scale", role: "img", "aria-label": `from ${low}, good, to ${high}, to look at first` });
    strip.style.background = gradient;
    return h("div", {}, strip, h("div", { class: "cdw-ends" }, h("span", {}, `${low} good`), h("span", {}, `${high} look first`)));
  }

  return { element, refresh };
}

export function status(view: MapView): Part {
  const { points } = view, light = h("i", { class: "cdw-light" }), phase = h("span", { class: "cdw-phase", role: "status" });
  const count = h("span"), missing = h("span"), clear = h("button", { type: "button", class: "cdw-button cdw-small", onclick: () => view.clear() }, icon("close"));
  tip(clear, "Select nothing", "Escape");
  const element = h("div", { class: "cdw-status" }, light, phase, clear, h("span", { class: "cdw-spacer" }), missing, count);

  function refresh() {
    const { selected } = points;
    element.dataset.state = points.dead ? "failed" : points.busy ? "working" : "ready";
    setText(phase, points.dead ? "No kernel" : points.busy ? "Working…" : selected.length ? `${number(selected.length)} selected` : "Ready");
    clear.hidden = !selected.length;
    setText(count, `${number(points.count)} ${points.count === 1 ? "image" : "images"}`);
    setText(missing, points.missing ? `${number(points.missing)} without an embedding` : "");
  }

  return { element, refresh };
}

/** Trouble, progress, what to do first, and the card of the point under the pointer. */
export function overlay(view: MapView): Part {
  const { points } = view, message = h("span"), doing = h("span");
  const close = h("button", { type: "button", class: "cdw-button cdw-small", "aria-label": "Dismiss", onclick: () => points.dismiss() }, icon("close"));
  const trouble = h("div", { class: "cdw-trouble", role: "alert" }, icon("warning"), message, close);
  const progress = h("div", { class: "cdw-pill cdw-progress" }, h("i", { class: "cdw-spinner" }), doing);
  const empty = h("div", { class: "cdw-empty" }, icon("tiles"), h("b", {}, "No embeddings yet"),
    h("p", {}, "They are made once, by ", h("code", {}, "cdwidget.run(cdwidget.Embed(), catalogue)"), "; then press the button."),
    h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => points.refresh() }, "Look again"));
  const hint = h("div", { class: "cdw-pill cdw-hint" }, h("b", {}, "Draw round points"), h("span", {}, "Shift adds, Alt takes away"), h("span", {}, "wheel zooms"),
    h("span", {}, h("span", { class: "cdw-key" }, "?"), " all keys"));
  const element = h("div", { class: "cdw-overlay" }, empty, trouble, progress, hint);

  function refresh() {
    const idle = !points.loading && !points.dead;
    trouble.hidden = !points.trouble;
    if (points.trouble) {
      trouble.dataset.kind = points.trouble.kind;
      setText(message, points.trouble.text);
      close.hidden = points.dead;
    }
    progress.hidden = !points.loading || points.dead;
    setText(doing, points.placing === "tsne" ? "Placing the points by t-SNE: some thousand take a minute" : "Placing the points");
    empty.hidden = !idle || points.count > 0 || !!points.trouble;
    hint.hidden = !idle || !points.count || points.selected.length > 0 || view.drawing || view.touched;
  }

  return { element, refresh };
}

const HAND: [string, string[]][] = [
  ["Select", ["Draw round points", "Click"]],
  ["Add to the selection", ["Shift"]],
  ["Take away from it", ["Alt", "Right button"]],
  ["Select a class", ["Click in the legend"]],
  ["Zoom at the pointer", ["Wheel", "Ctrl+Wheel"]],
  ["Move the map", ["Middle button", "Arrows"]],
  ["What a point is", ["Rest the pointer"]],
];

export function help(view: MapView): Part {
  const list = h("div");
  const element = h("div", { class: "cdw-help", role: "dialog", tabindex: "0", "aria-label": "Keys", onclick: () => view.setHelping(false) }, list);
  const line = ([title, keys]: [string, string[]]) => h("div", { class: "cdw-line" }, h("span", {}, title), h("span", {}, ...keys.map((key) => h("kbd", { class: "cdw-key" }, key))));

  function refresh() {
    if (element.hidden === !view.helping) return;
    element.hidden = !view.helping;
    const shortcuts: Record<string, string[]> = view.points.model.get("shortcuts");
    const keys = Object.entries(COMMANDS).filter(([name]) => shortcuts[name]?.length).map(([name, { title }]): [string, string[]] => [title, shortcuts[name]]);
    list.replaceChildren(h("section", {}, h("b", {}, "On the map"), ...HAND.map(line)), h("section", {}, h("b", {}, "Keys"), ...keys.map(line)));
  }

  return { element, refresh };
}
