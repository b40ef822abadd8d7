/** The status line: state of the model, its suggestion, missing classes, autosave, object and pixel under the pointer; and the way to other images. */
import { h, setText } from "../dom";
import type { CommandHost, DocumentHost, FocusHost, ObjectHost, StageHost } from "./host";
import { type ImageNav, imageNav } from "./image_nav";

const PHASES: Record<string, string> = {
  idle: "Waiting",
  loading: "Loading the model…",
  encoding: "Encoding the image…",
  ready: "Ready",
  failed: "The model failed",
};

type State = "ready" | "working" | "locked" | "failed";

export type StatusLine = ImageNav;

export function statusLine(
  host: DocumentHost & CommandHost & StageHost & FocusHost & Pick<ObjectHost, "objects">,
): StatusLine {
  const { doc, objects } = host;
  const images = imageNav(host);
  const phase = h("span", { class: "cdw-phase", role: "status" });
  const suggestion = h("span", { class: "cdw-answer", role: "status" });
  const unlabeled = h("button", {
    type: "button",
    class: "cdw-button cdw-small cdw-without",
    title: "Select the objects without a class",
    onclick: () => void doc.edit(() => objects.selectAll(objects.unlabeled)),
  });
  const under = h("span", { class: "cdw-under" });
  const file = h("span", { class: "cdw-file" });
  const savedState = h("b", {});
  const savedReason = h("span", {});
  const saved = h("span", { class: "cdw-saved", role: "status" }, savedState, savedReason);
  const pointer = h("span", { class: "cdw-pointer" });
  const size = h("span", { class: "cdw-size" });
  const element = h(
    "div",
    { class: "cdw-status" },
    h("i", { class: "cdw-light" }),
    phase,
    suggestion,
    unlabeled,
    saved,
    file,
    h("span", { class: "cdw-spacer" }),
    under,
    pointer,
    size,
    images.element,
  );

  function modelState(): [State, string] {
    const { name } = doc.phase;
    if (doc.isLost) return ["failed", "No kernel"];
    if (doc.model.get("_in_use")) return ["locked", "Read-only"];
    if (doc.isBusy && name === "ready") return ["working", "Working…"];
    if (doc.model.get("view_only")) return ["ready", "View only"];
    return [name === "ready" || name === "failed" ? name : "working", PHASES[name]];
  }

  function suggestionText(key: string | undefined): string {
    const { count, chosen } = doc.alternatives;
    if (!doc.hasAlternatives) return "";
    if (count === null) return key ? `${key}: suggestions` : "suggestions";
    return `suggestion ${chosen + 1} / ${count}`;
  }

  function sizeText(): string {
    const { width, height } = doc.image;
    const shown = doc.picture?.width ?? width;
    const reduced = shown < width ? ` (shown at ${Math.round((100 * shown) / width)} %)` : "";
    return `${width} × ${height}${reduced}`;
  }

  /** "Not saved" is always readable; its reason may be cut off, and is in the tooltip. */
  function refreshSaved(notice: string) {
    const isSaved = /^saved/i.test(notice);
    const [, state = "", reason = ""] = /^(Not saved|Saved)?(.*)$/is.exec(notice) ?? [];
    setText(savedState, state);
    setText(savedReason, isSaved ? "" : reason);
    saved.title = notice;
    saved.classList.toggle("cdw-unsaved", notice !== "" && !isSaved);
  }

  function refresh() {
    const [state, text] = modelState();
    element.dataset.state = state;
    setText(phase, text);
    setText(file, doc.image.name);
    file.title = doc.image.name;
    const key = host.commands.keyOf("alternative");
    setText(suggestion, suggestionText(key));
    suggestion.title = key
      ? `Objects that the model suggests for the click; ${key} shows the next one`
      : "Objects that the model suggests for the click";
    refreshSaved(doc.model.get("_in_use") ? "" : (doc.model.get("_notice") ?? "")); // a banner says why it is not saved
    const { length } = doc.model.get("labels").length ? objects.unlabeled : [];
    setText(unlabeled, length ? `${length} without class` : "");
    unlabeled.hidden = !length;
    const hovered = objects.drawn.find(({ id }) => id === objects.hovered);
    setText(under, hovered ? `${hovered.id} ${hovered.label || "no class"}` : "");
    const point = host.viewer.pointer;
    setText(pointer, point ? `${Math.floor(point[0])}, ${Math.floor(point[1])}` : "");
    setText(size, sizeText());
    const latency = doc.latency === null ? "" : `${Math.round(doc.latency)} ms`;
    element.dataset.latency = latency;
    phase.title = latency && `${latency} from the last click to its mask on the screen`;
    images.refresh();
  }

  return { element, refresh, askImage: images.askImage };
}
