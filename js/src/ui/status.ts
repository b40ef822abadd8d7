/** The line below: what the model does, which of its answers is shown, what is saved, where the pointer is; and on to the next image. */
import type { Part, View } from "../view";
import { h, setText } from "./dom";
import { walk } from "./walk";

const PHASES: Record<string, string> = {
  idle: "Waiting", loading: "Loading the model…", encoding: "Encoding the image…", ready: "Ready", failed: "The model failed",
};

export function status(view: View): Part {
  const { doc } = view, images = walk(view);
  const dot = h("i", { class: "cdw-light" });
  const phase = h("span", { class: "cdw-phase", role: "status" });
  const name = h("span", { class: "cdw-file" });
  const answer = h("span", { class: "cdw-answer", role: "status" }), saved = h("span", { class: "cdw-saved", role: "status" });
  const pointer = h("span", { class: "cdw-pointer" }), size = h("span", { class: "cdw-size" }), latency = h("span", { class: "cdw-latency" });
  const element = h("div", { class: "cdw-status" }, dot, phase, answer, name, saved, h("span", { class: "cdw-spacer" }), pointer, size, latency, images.element);

  function state(): [string, string] {
    if (doc.dead) return ["failed", "No kernel"];
    if (doc.busy && doc.phase.name === "ready") return ["working", "Working…"];
    if (doc.model.get("view_only")) return ["ready", "View only"];
    const kind = doc.phase.name === "ready" ? "ready" : doc.phase.name === "failed" ? "failed" : "working";
    return [kind, PHASES[doc.phase.name]];
  }

  function refresh() {
    const [kind, text] = state(), { width, height } = doc.image, { count, chosen } = doc.alternatives, next = view.keyOf("alternative");
    element.dataset.state = kind;
    setText(phase, text);
    setText(name, doc.image.name);
    name.title = doc.image.name;
    setText(answer, !doc.otherAnswers ? "" : count === null ? `${next ? `${next}: ` : ""}alternatives` : `alternative ${chosen + 1} / ${count}`);
    answer.title = `What the model thinks the object may be; ${next ?? "a command"} shows the next`;
    const notice: string = doc.model.get("_notice") ?? "";
    setText(saved, notice);
    saved.title = notice;
    saved.classList.toggle("cdw-unsaved", notice !== "" && !/^saved/i.test(notice));
    const point = view.viewer.pointer;
    setText(pointer, point ? `${Math.floor(point[0])}, ${Math.floor(point[1])}` : "");
    const reduced = doc.picture && doc.picture.width < width;
    setText(size, `${width} × ${height}${reduced ? ` (shown at ${Math.round((100 * doc.picture!.width) / width)} %)` : ""}`);
    setText(latency, doc.latency === null ? "" : `${Math.round(doc.latency)} ms`);
    latency.title = "From the last click to its mask on the screen";
    images.refresh();
  }

  return { element, refresh };
}
