/** Below the tiles: all that is known of the focused one, with the reasons in full; and what the kernel does. */
import { h, setText } from "../ui/dom";
import type { Part } from "../view";
import { digits, writeChip } from "./tile";
import type { GalleryView } from "./view";

export function details(view: GalleryView): Part {
  const { queue } = view;
  const label = h("b"), swatch = h("i", { class: "cdw-swatch" }), file = h("span", { class: "cdw-soft cdw-path" }), score = h("span");
  const reasons = h("ul", { class: "cdw-why" }), fault = h("p", { class: "cdw-fault" });
  const dot = h("i", { class: "cdw-light" }), phase = h("span", { class: "cdw-phase" }), said = h("span", { class: "cdw-said", role: "status" });
  const place = h("span", { class: "cdw-place" }), notice = h("span", { class: "cdw-saved", role: "status" });
  const who = h("div", { class: "cdw-who" }, swatch, label, score, file);
  const element = h("div", { class: "cdw-foot" }, h("div", { class: "cdw-details" }, who, fault, reasons),
    h("div", { class: "cdw-status" }, dot, phase, said, notice, h("span", { class: "cdw-spacer" }), place));
  let shown: unknown = null;

  function state(): [string, string] {
    if (queue.dead) return ["failed", "No kernel"];
    if (queue.busy || queue.waiting) return ["working", "Working…"];
    return ["ready", queue.model.get("view_only") ? "View only" : "Ready"];
  }

  function refresh() {
    const [kind, text] = state(), { row } = view, { count } = queue.rows, selected = queue.selected.length;
    (element.lastElementChild as HTMLElement).dataset.state = kind;
    setText(phase, text);
    setText(said, queue.said);
    setText(notice, queue.model.get("_notice") ?? "");
    const at = count ? `${(view.focus + 1).toLocaleString("en")} / ${count.toLocaleString("en")}` : "";
    setText(place, selected ? `${selected.toLocaleString("en")} selected · ${at}` : at);
    setText(fault, (row && queue.thumbs.get(row.id)?.error) ?? "");
    if (row === shown) return;
    shown = row;
    who.hidden = !row;
    reasons.replaceChildren(...(row?.chips ?? []).map((one) => {
      const chip = h("span", { class: "cdw-reason" }, h("span"), h("i"));
      writeChip(chip, one);
      return h("li", {}, chip, h("span", {}, `${digits(one.value)}  ${one.reason}`));
    }));
    if (!row) return;
    swatch.style.setProperty("--swatch", view.color(row.label));
    setText(label, row.label || "no label");
    setText(score, row.score === null ? "not scored yet" : `score ${digits(row.score)}`);
    setText(file, row.name);
    label.title = row.label;
    file.title = row.name;
  }

  return { element, refresh };
}
