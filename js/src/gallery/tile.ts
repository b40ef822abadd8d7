/** One tile: picture, score, verdict, label and why it is worth a look. It is given another row when its line is needed elsewhere. */
import { h, setText } from "../ui/dom";
import { icon } from "../ui/icons";
import type { Heat } from "./heat";
import { Picture } from "./picture";
import type { Reason, Row, Status } from "./rows";
import type { Thumb } from "./thumbs";

export interface Face {
  index: number;
  row: Row | undefined; // undefined: not known yet
  status: Status;
  thumb: Thumb | undefined;
  heat: Heat | null;
  color: string;
  focused: boolean;
  selected: boolean;
  opening: boolean;
}

export const MARKS: Record<Status, { icon: string; title: string } | null> = {
  new: null,
  accepted: { icon: "finish", title: "Accepted" },
  rejected: { icon: "close", title: "Rejected" },
  skipped: { icon: "skip", title: "Skipped" },
};
const CHIPS = 3;

/** 0 is nothing to look at, 1 is certainly wrong: from green over amber to red, light enough to stand on black. */
export function heatOf(score: number): string {
  const share = Math.min(1, Math.max(0, score));
  return `hsl(${Math.round(140 - 140 * share)} 85% ${Math.round(52 + 10 * share)}%)`;
}

export const digits = (score: number) => score.toFixed(2);
export const titleOf = (name: string) => name.replace(/_/g, " ");

export class Tile {
  private readonly picture = new Picture();
  private readonly score = h("span", { class: "cdw-score" });
  private readonly number = h("b");
  private readonly bar = h("i");
  private readonly mark = h("span", { class: "cdw-mark" });
  private readonly of = h("span", { class: "cdw-of" });
  private readonly error = h("span", { class: "cdw-missing" }, icon("warning"), h("span"));
  private readonly edit = h("button", { type: "button", class: "cdw-button cdw-small cdw-edit", tabindex: "-1", title: "Edit (Enter)", "aria-label": "Edit" }, icon("rename"));
  private readonly dot = h("i", { class: "cdw-swatch" });
  private readonly label = h("span", { class: "cdw-name" });
  private readonly stale = h("span", { class: "cdw-stale", title: "Nobody has scored this mask since it was made or changed" }, "not scored");
  private readonly chips = Array.from({ length: CHIPS }, () => h("span", { class: "cdw-reason" }, h("span"), h("i")));
  readonly element: HTMLElement;
  index = -1;
  private shown: unknown[] = []; // what the words say, all of it things that are replaced, not changed

  constructor() {
    this.score.append(this.number, this.bar);
    this.element = h("div", { class: "cdw-tile", role: "gridcell" },
      h("div", { class: "cdw-thumb" }, this.picture.element, this.error, this.score, this.mark, this.of, this.edit),
      h("div", { class: "cdw-caption" }, this.dot, this.label, this.stale), h("div", { class: "cdw-reasons" }, ...this.chips));
  }

  /** Show a row, or none: a line that is not full ends with such tiles. */
  show(face: Face | null, id: string) {
    this.element.hidden = !face;
    this.index = face?.index ?? -1;
    if (!face) return this.element.removeAttribute("id");
    const { element } = this, { row, status } = face;
    if (element.id !== id) element.id = id;
    element.classList.toggle("cdw-focused", face.focused);
    element.classList.toggle("cdw-chosen", face.selected);
    element.classList.toggle("cdw-opening", face.opening);
    if (element.getAttribute("aria-selected") !== String(face.selected)) element.setAttribute("aria-selected", String(face.selected));
    const now = [face.index, row, status, face.color, face.thumb, face.heat];
    if (now.every((one, i) => one === this.shown[i])) return;
    this.shown = now;
    this.write(face);
    this.picture.show(face.thumb, face.heat, face.color);
  }

  private write({ index, row, status, color, thumb, heat }: Face) {
    const { element } = this, mark = row ? MARKS[status] : null;
    element.dataset.status = row ? status : "";
    element.classList.toggle("cdw-skeleton", !row || !thumb);
    element.setAttribute("aria-colindex", String(index + 1));
    element.setAttribute("aria-label", row ? spoken(row, status) : "Loading");
    this.score.hidden = row?.score == null;
    if (row?.score != null) {
      setText(this.number, digits(row.score));
      this.bar.style.cssText = `width: ${Math.round(100 * Math.min(1, Math.max(0, row.score)))}%; background: ${heatOf(row.score)}`;
      this.score.title = "How much it is worth a look, from 0 to 1";
    }
    this.mark.hidden = !mark;
    if (mark) {
      this.mark.replaceChildren(icon(mark.icon));
      this.mark.title = mark.title;
    }
    this.of.hidden = !heat?.url;
    setText(this.of, heat?.url ? titleOf(heat.name) : "");
    this.error.hidden = !thumb?.error;
    setText(this.error.lastElementChild!, thumb?.error ? shortened(thumb.error, row?.name ?? "") : "");
    this.error.title = thumb?.error ?? "";
    this.edit.hidden = !row;
    this.dot.style.setProperty("--swatch", color);
    this.dot.hidden = !row;
    setText(this.label, row ? row.label || "no label" : "");
    this.label.title = row ? `${row.label}\n${row.name}`.trim() : "";
    this.label.classList.toggle("cdw-soft", !row?.label);
    this.stale.hidden = row?.score !== null;
    this.chips.forEach((chip, i) => writeChip(chip, row?.chips[i]));
  }
}

/** A reason in short; how strong it is stands below the word, all of it is the tooltip. */
export function writeChip(chip: HTMLElement, reason: Reason | undefined) {
  chip.hidden = !reason;
  if (!reason) return;
  setText(chip.firstElementChild!, titleOf(reason.name));
  chip.title = `${titleOf(reason.name)} ${digits(reason.value)}${reason.reason ? `: ${reason.reason}` : ""}`;
  (chip.lastElementChild as HTMLElement).style.cssText = `width: ${Math.round(100 * Math.min(1, Math.max(0, reason.value)))}%; background: ${heatOf(reason.value)}`;
}

/** What is wrong with a file, without the folders that it is in, and without what to do about it: that is said below the tiles. */
export function shortened(error: string, name: string): string {
  const at = name ? error.indexOf(name) : -1, from = at < 0 ? -1 : error.slice(0, at).search(/\S*\//);
  const after = Math.max(0, at) + (at < 0 ? 0 : name.length), more = error.slice(after).search(/; | \(/), end = more < 0 ? error.length : after + more;
  return from < 0 ? error.slice(0, end) : `${error.slice(0, from)}…/${error.slice(at, end)}`;
}

function spoken(row: Row, status: Status): string {
  const score = row.score === null ? "" : `score ${digits(row.score)}`;
  return [row.label || "no label", score, status, ...row.chips.slice(0, 1).map(({ name, reason }) => reason || titleOf(name))].filter(Boolean).join(", ");
}
