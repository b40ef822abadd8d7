/** What lies over the image: trouble, how far the model is, and what to do first. */
import { TOOLS } from "../tools";
import type { Part, View } from "../view";
import { h, setText } from "./dom";
import { icon } from "./icons";

const PHASES: Record<string, string> = { loading: "Loading the model", encoding: "Encoding the image" };

export function overlay(view: View): Part {
  const { doc } = view;
  const message = h("span", {});
  const close = h("button", { type: "button", class: "cdw-button cdw-small", "aria-label": "Dismiss" }, icon("close"));
  close.addEventListener("click", () => doc.dismiss());
  const trouble = h("div", { class: "cdw-trouble", role: "alert" }, icon("warning"), message, close);
  const doing = h("span", {});
  const progress = h("div", { class: "cdw-pill cdw-progress" }, h("i", { class: "cdw-spinner" }), doing);
  const how = h("b", {});
  const hint = h("div", { class: "cdw-pill cdw-hint" }, how, h("span", {}, "wheel zooms"),
    h("span", {}, h("span", { class: "cdw-key" }, "?"), " all keys"));
  const element = h("div", { class: "cdw-overlay" }, trouble, progress, hint);

  function refresh() {
    trouble.hidden = !doc.trouble;
    if (doc.trouble) {
      trouble.dataset.kind = doc.trouble.kind;
      setText(message, doc.trouble.text);
      close.hidden = doc.dead;
    }
    const phase = PHASES[doc.phase.name];
    progress.hidden = !phase || doc.dead;
    if (phase) setText(doing, phase);
    const untouched = !doc.pending.length && !doc.instances.some((instance) => instance.outline);
    hint.hidden = !untouched || !doc.picture || !doc.editable || view.helping || view.tracing;
    if (!hint.hidden) setText(how, TOOLS[doc.model.get("tool")].title);
  }

  return { element, refresh };
}
