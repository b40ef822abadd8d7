/** Over the image: the notice, the progress of the model, and a hint for the first gesture. */

import { h, setText } from "../dom";
import type { Notice } from "../kernel";
import { TOOLS } from "../tools";
import type { DocumentHost, ModeHost, Part, StageHost } from "./host";
import { noticeBanner } from "./notice";

const PHASES: Record<string, string> = { loading: "Loading the model", encoding: "Encoding the image" };

/** Whether the hint for the first gesture is shown: on an image without masks, until a gesture begins. */
export function showsHint({ doc, modes, viewer }: DocumentHost & ModeHost & StageHost): boolean {
  const isUntouched = !doc.pending.length && !doc.instances.some((instance) => instance.outline);
  const isReady = !!doc.picture && doc.isEditable;
  const isCovered = !!doc.message || modes.helping || modes.tracing;
  return isUntouched && isReady && !isCovered && !viewer.isDrawing;
}

export function overlay(host: DocumentHost & ModeHost & StageHost): Part {
  const { doc } = host;
  const inUse: Notice = {
    kind: "slow",
    text:
      "This image is open in another notebook or cell, so it is read-only here. " +
      "Taking it over keeps everything saved there and refuses later changes there.",
    offer: { text: "Take over", run: () => void doc.takeOver() },
  };
  const message = h("div", { class: "cdw-pill cdw-message", role: "status" });
  const notice = noticeBanner(doc.kernel, () => (doc.model.get("_in_use") ? inUse : null));
  const phaseText = h("span", {});
  const progress = h("div", { class: "cdw-pill cdw-progress" }, h("i", { class: "cdw-spinner" }), phaseText);
  const toolText = h("b", {});
  const hint = h(
    "div",
    { class: "cdw-pill cdw-hint" },
    toolText,
    h("span", {}, "wheel zooms"),
    h("span", {}, h("span", { class: "cdw-key" }, "?"), " all keys"),
  );
  const element = h("div", { class: "cdw-overlay" }, notice.element, progress, hint, message);

  function refresh() {
    notice.refresh();
    const phase = PHASES[doc.phase.name];
    progress.hidden = !phase || doc.isLost;
    if (phase) setText(phaseText, phase);
    setText(message, doc.message);
    message.hidden = !doc.message;
    hint.hidden = !showsHint(host);
    const tool = TOOLS[doc.model.get("tool")];
    if (!hint.hidden) setText(toolText, `${doc.labelOf(tool.name)}: ${tool.hint}`);
  }

  return { element, refresh };
}
