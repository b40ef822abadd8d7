/** One view of an inspector: the findings, the settings, and the map with its scale and texts. */
import type { Point } from "../cover";
import { context2d, h, setText } from "../dom";
import { guardShortcuts } from "../keys";
import { refreshAll } from "../ui/controls";
import type { Part } from "../ui/host";
import { noticeBanner } from "../ui/notice";
import { savedPicture } from "../ui/snapshot";
import { settings, steps } from "./controls";
import type { Drawing, Scale } from "./drawing";
import { imagePoint, paint } from "./painting";

const PANELS = [0, 1]; // the map and its comparison

export class InspectorView {
  private readonly parts: Part[];

  constructor(drawing: Drawing, host: HTMLElement, signal: AbortSignal) {
    const notice = noticeBanner(drawing.kernel);
    const saved = savedPicture(drawing.model, () => !drawing.map && !drawing.model.get("_message"));
    const panels = PANELS.map((number) => panel(drawing, number));
    const left = settings(drawing);
    const below = [scaleBar(drawing), steps(drawing, signal), statusLine(drawing), about(drawing)];
    const body = h(
      "div",
      { class: "cdw-inspector-body" },
      left.element,
      h(
        "div",
        { class: "cdw-inspector-shown" },
        h("div", { class: "cdw-panels" }, ...panels.map(({ element }) => element)),
        ...below.map(({ element }) => element),
      ),
    );
    const message = h("p", { class: "cdw-inspector-message", role: "status" });
    const chips = findings(drawing);
    const root = h(
      "div",
      { class: "cdw cdw-inspector", role: "group", "aria-label": "Inspector" },
      notice.element,
      message,
      saved.element,
      chips.element,
      body,
    );
    const shown: Part = {
      element: body,
      refresh() {
        setText(message, drawing.model.get("_message"));
        message.hidden = !message.textContent;
        body.hidden = !message.hidden || !drawing.map || !drawing.photograph;
      },
    };
    this.parts = [notice, saved, chips, shown, left, ...panels, ...below];
    guardShortcuts(root, () => true, signal);
    host.append(root);
    drawing.listen(() => refreshAll(this.parts), signal);
    refreshAll(this.parts);
  }
}

/** The map, or its comparison, with a title. The pointer queries points of it. */
function panel(drawing: Drawing, number: number): Part {
  const { model } = drawing;
  const title = h("b");
  const note = h("span", { class: "cdw-soft" });
  const canvas = h("canvas", {
    class: "cdw-inspector-canvas",
    onpointermove: (event: PointerEvent) => query(event, (point) => drawing.hover(point)),
    onpointerdown: (event: PointerEvent) => model.get("view_only") || query(event, (point) => drawing.press(point)),
    onpointerleave: () => drawing.leave(),
  });
  const element = h("div", { class: "cdw-panel" }, h("div", { class: "cdw-panel-title" }, title, note), canvas);

  function query(event: PointerEvent, then: (point: Point) => void) {
    if (drawing.photograph) then(imagePoint(event, canvas.getBoundingClientRect(), drawing.photograph.box));
  }
  function refresh() {
    const { photograph, map } = drawing;
    const shown = map?.panels[number];
    element.hidden = !photograph || !shown;
    if (!photograph || !shown) return;
    setText(title, model.get("_maps").find(({ name }) => name === map.name)?.title ?? "");
    setText(note, shown.note);
    const ratio = Math.ceil(devicePixelRatio || 1);
    const [width, height] = [photograph.width * ratio, photograph.height * ratio];
    if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
    const ctx = context2d(canvas);
    ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
    const [opacity, smooth, marks] = [model.get("opacity"), model.get("smooth"), model.get("marks")];
    paint(ctx, photograph, shown, map.frame, { opacity, smooth, marks });
  }
  return { element, refresh };
}

/** The findings of the diagnosis. */
function findings({ model }: Drawing): Part {
  const element = h("div", { class: "cdw-findings" });
  let listed: unknown = null;
  return {
    element,
    refresh() {
      const found = model.get("_findings");
      if (found === listed) return;
      listed = found;
      element.replaceChildren(
        ...found.map(({ name, text, wrong }) =>
          h(
            "span",
            { class: "cdw-finding", "data-state": wrong ? "wrong" : "right" },
            h("b", {}, `${wrong ? "!" : "✓"} ${name}`),
            ` ${text}`,
          ),
        ),
      );
    },
  };
}

/** The color bar with its ends and unit, or the legend of the classes. */
function scaleBar(drawing: Drawing): Part {
  const element = h("div", { class: "cdw-inspector-scale" });
  let shown: Scale | null = null;

  function contents(scale: Scale, unit: string): HTMLElement[] {
    if ("classes" in scale) return [h("div", { class: "cdw-legend" }, ...scale.classes.map(legendEntry))];
    const bar = h("div", { class: "cdw-color-bar" });
    bar.style.background = `linear-gradient(to right, ${scale.colors.join(", ")})`;
    const ticks = scale.ticks.map((tick) => h("span", {}, tick));
    return [bar, h("div", { class: "cdw-ticks" }, ...ticks), h("div", { class: "cdw-soft" }, unit)];
  }
  function refresh() {
    const { map, model } = drawing;
    if (!map || map.scale === shown) return;
    shown = map.scale;
    const unit = model.get("_maps").find(({ name }) => name === map.name)?.unit ?? "";
    element.replaceChildren(...contents(map.scale, unit));
  }
  return { element, refresh };
}

function legendEntry([name, color]: [string, string]): HTMLElement {
  const swatch = h("i");
  swatch.style.background = color;
  return h("span", {}, swatch, name);
}

function statusLine(drawing: Drawing): Part {
  const element = h("div", { class: "cdw-inspector-status cdw-soft" });
  return { element, refresh: () => setText(element, drawing.status) };
}

/** The meaning and the formula of the map. */
function about({ model }: Drawing): Part {
  const meaning = h("p");
  const formula = h("p", { class: "cdw-formula" });
  return {
    element: h("div", { class: "cdw-about" }, meaning, formula),
    refresh() {
      const texts = model.get("_maps").find(({ name }) => name === model.get("map"));
      if (!texts || meaning.textContent === texts.meaning) return;
      setText(meaning, texts.meaning);
      formula.innerHTML = texts.formula; // a constant of the package, with subscripts
    },
  };
}
