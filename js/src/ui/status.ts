/** The status line: state of the model, its suggestion, objects without a class, autosave, pointer, image size, latency; and the way to other images. */
import { h, setText } from "../dom";
import type { CommandHost, DocumentHost, Part, StageHost } from "./host";
import { imageNav } from "./image_nav";

const PHASES: Record<string, string> = {
  idle: "Waiting",
  loading: "Loading the model…",
  encoding: "Encoding the image…",
  ready: "Ready",
  failed: "The model failed",
};

type State = "ready" | "working" | "failed";

export function statusLine(host: DocumentHost & CommandHost & StageHost): Part {
  const { doc } = host;
  const images = imageNav(host);
  const phase = h("span", { class: "cdw-phase", role: "status" });
  const suggestion = h("span", { class: "cdw-answer", role: "status" });
  const unlabeled = h("span", { class: "cdw-unlabeled", title: "Objects without a class are saved with the class ''" });
  const file = h("span", { class: "cdw-file" });
  const saved = h("span", { class: "cdw-saved", role: "status" });
  const pointer = h("span", { class: "cdw-pointer" });
  const size = h("span", { class: "cdw-size" });
  const latency = h("span", { class: "cdw-latency" });
  latency.title = "From the last click to its mask on the screen";
  const element = h(
    "div",
    { class: "cdw-status" },
    h("i", { class: "cdw-light" }),
    phase,
    suggestion,
    unlabeled,
    file,
    saved,
    h("span", { class: "cdw-spacer" }),
    pointer,
    size,
    latency,
    images.element,
  );

  function modelState(): [State, string] {
    const { name } = doc.phase;
    if (doc.isLost) return ["failed", "No kernel"];
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
    const hasClasses = doc.model.get("labels").length > 0;
    const { length: missing } = doc.instances.filter((instance) => hasClasses && instance.outline && !instance.label);
    setText(unlabeled, missing ? `${missing} without class` : "");
    const notice = doc.model.get("_notice") ?? "";
    setText(saved, notice);
    saved.title = notice;
    saved.classList.toggle("cdw-unsaved", notice !== "" && !/^saved/i.test(notice));
    const point = host.viewer.pointer;
    setText(pointer, point ? `${Math.floor(point[0])}, ${Math.floor(point[1])}` : "");
    setText(size, sizeText());
    setText(latency, doc.latency === null ? "" : `${Math.round(doc.latency)} ms`);
    images.refresh();
  }

  return { element, refresh };
}
