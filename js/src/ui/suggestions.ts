/** Next to the pointer, while the user steps through the suggestions of the model: a small picture of each, a click on which chooses it. */
import { type Box, EMPTY_BOX, union } from "../bitmap";
import { toScreen } from "../camera";
import { h } from "../dom";
import type { Outline } from "../outline";
import { Suggestions } from "../suggestions";
import type { DocumentHost, FocusHost, LabelHost, Part, StageHost } from "./host";
import { paintOutlined } from "./thumbnails";

const SIDE_PX = 56; // CSS pixels of a picture
const GAP_PX = 16; // CSS pixels between the pointer and the strip
const SHOWN_MS = 3_000; // after the last step

export function suggestionStrip(host: DocumentHost & StageHost & FocusHost & Pick<LabelHost, "color">): Part {
  const { doc, viewer } = host;
  const suggestions = new Suggestions(doc, refresh);
  const element = h("div", { class: "cdw-pill cdw-suggestions", role: "group", "aria-label": "Suggestions" });
  element.addEventListener("pointerdown", (event) => event.stopPropagation());
  let step = ""; // the last step through the suggestions
  let painted = ""; // describes the pictures
  let timer: ReturnType<typeof setTimeout> | undefined;
  let isOver = true; // whether the time after the last step is over

  function picture(number: number, box: Box, outline: Outline): HTMLElement {
    const side = String(Math.round(SIDE_PX * Math.max(1, devicePixelRatio || 1)));
    const canvas = h("canvas", { width: side, height: side, "aria-hidden": "true" });
    if (doc.current) paintOutlined(canvas, doc, box, outline, host.color(doc.current));
    return h(
      "button",
      {
        type: "button",
        "aria-label": `Suggestion ${number + 1}`,
        "aria-pressed": String(number === doc.alternatives.chosen),
        onclick: () => {
          host.focus();
          void doc.apply({ type: "alternative", number });
        },
      },
      canvas,
    );
  }

  /** Move the strip next to the pointer, within the stage. */
  function place() {
    const { clientWidth, clientHeight } = viewer.stage;
    const [x0, y0] = doc.current?.bounds ?? EMPTY_BOX;
    const [x, y] = toScreen(viewer.camera, ...(viewer.pointer ?? [x0, y0]));
    const inside = (at: number, size: number, limit: number) => Math.max(0, Math.min(at + GAP_PX, limit - size));
    element.style.left = `${inside(x, element.offsetWidth, clientWidth)}px`;
    element.style.top = `${inside(y, element.offsetHeight, clientHeight)}px`;
  }

  function keepOpen() {
    clearTimeout(timer);
    isOver = false;
    timer = setTimeout(() => {
      isOver = true;
      refresh();
    }, SHOWN_MS);
  }

  function refresh() {
    suggestions.update();
    const { prompt, loaded } = suggestions;
    const { chosen } = doc.alternatives;
    if (prompt && step !== `${prompt} ${chosen}`) keepOpen();
    step = prompt && `${prompt} ${chosen}`;
    const wasHidden = element.hidden;
    element.hidden = !loaded.size || (isOver && !element.matches(":hover"));
    if (element.hidden) return;
    const state = `${step} ${loaded.size} ${doc.current && host.color(doc.current)}`;
    if (painted === state && !wasHidden) return;
    painted = state;
    const box = [...loaded.values()].map((one) => one.box).reduce(union, EMPTY_BOX);
    const bySize = [...loaded].sort(([, a], [, b]) => a.area - b.area);
    element.replaceChildren(...bySize.map(([number, { outline }]) => picture(number, box, outline)));
    if (wasHidden || loaded.size < (doc.alternatives.count ?? 0)) place();
  }

  return { element, refresh };
}
