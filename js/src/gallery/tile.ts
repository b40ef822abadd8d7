/** One tile: picture, score, status, label and reasons. Tiles are reused for other rows while the grid scrolls. */
import { h, setText } from "../dom";
import { ICONS, icon } from "../ui/icons";
import type { Heatmap, Thumbnail } from "./pictures";
import { labelText, type Reason, type Row, type Status } from "./rows";

export interface TileContent {
  index: number;
  row: Row | undefined; // undefined: not loaded yet
  status: Status;
  thumbnail: Thumbnail | undefined;
  heatmap: Heatmap | null;
  color: string;
  isFocused: boolean;
  isSelected: boolean;
  isOpening: boolean; // whether the editor is opening it
}

const STATUS_MARKS: Record<Status, { icon: string; title: string } | null> = {
  new: null,
  accepted: { icon: ICONS.finish, title: "Accepted" },
  rejected: { icon: ICONS.close, title: "Rejected" },
  skipped: { icon: ICONS.skip, title: "Skipped" },
};
const MAX_SHOWN_REASONS = 3;

/** Return the color of a score: from green (0, good) over amber to red (1, wrong), light enough for a black background. */
export function scoreColor(score: number): string {
  const share = Math.min(1, Math.max(0, score));
  return `hsl(${Math.round(140 - 140 * share)} 85% ${Math.round(52 + 10 * share)}%)`;
}

export const formatScore = (score: number) => `${Math.round(100 * score)} %`;
/** The overall score in words: a number alone would read as a grade. */
export const suspicion = (score: number) => `suspect ${formatScore(score)}`;
const SCORE_TITLES: Record<string, string> = { critic: "predicted quality", colour: "color" }; // names that catalogues store
/** The readable name of a score. */
export const scoreTitle = (name: string) => SCORE_TITLES[name] ?? name.replace(/_/g, " ");

export class Tile {
  private readonly picture = new TilePicture();
  private readonly score = h("span", { class: "cdw-score" });
  private readonly number = h("b");
  private readonly bar = h("i");
  private readonly mark = h("span", { class: "cdw-mark" });
  private readonly heatmapName = h("span", { class: "cdw-of" });
  private readonly errorText = h("span");
  private readonly error = h("span", { class: "cdw-missing" }, icon(ICONS.warning), this.errorText);
  private readonly edit = h(
    "button",
    {
      type: "button",
      class: "cdw-button cdw-small cdw-edit",
      tabindex: "-1",
      title: "Edit (Enter)",
      "aria-label": "Edit",
    },
    icon(ICONS.rename),
  );
  private readonly dot = h("i", { class: "cdw-swatch" });
  private readonly label = h("span", { class: "cdw-name" });
  private readonly stale = h(
    "span",
    { class: "cdw-stale", title: "This mask has not been scored since its last change" },
    "not scored",
  );
  private readonly chips = Array.from({ length: MAX_SHOWN_REASONS }, () => reasonChip());
  readonly element: HTMLElement;
  index = -1;
  private shown: unknown[] = []; // the displayed values, which are replaced, not modified

  constructor() {
    this.score.append(this.number, this.bar);
    this.element = h(
      "div",
      { class: "cdw-tile", role: "gridcell" },
      h(
        "div",
        { class: "cdw-thumb" },
        this.picture.element,
        this.error,
        this.score,
        this.mark,
        this.heatmapName,
        this.edit,
      ),
      h("div", { class: "cdw-caption" }, this.dot, this.label, this.stale),
      h("div", { class: "cdw-reasons" }, ...this.chips),
    );
  }

  /** Show a row; null for the empty tiles at the end of the last line. */
  show(content: TileContent | null, id: string) {
    this.element.hidden = !content;
    this.index = content?.index ?? -1;
    if (!content) return this.element.removeAttribute("id");
    const { element } = this;
    const { row, status } = content;
    if (element.id !== id) element.id = id;
    element.classList.toggle("cdw-focused", content.isFocused);
    element.classList.toggle("cdw-chosen", content.isSelected);
    element.classList.toggle("cdw-opening", content.isOpening);
    if (element.getAttribute("aria-selected") !== String(content.isSelected))
      element.setAttribute("aria-selected", String(content.isSelected));
    const now = [content.index, row, status, content.color, content.thumbnail, content.heatmap];
    if (now.every((one, i) => one === this.shown[i])) return;
    this.shown = now;
    this.write(content);
    this.picture.show(content.thumbnail, content.heatmap, content.color);
  }

  private write({ index, row, status, color, thumbnail, heatmap }: TileContent) {
    const { element } = this;
    const mark = row ? STATUS_MARKS[status] : null;
    element.dataset.status = row ? status : "";
    element.classList.toggle("cdw-skeleton", !row || !thumbnail);
    element.setAttribute("aria-colindex", String(index + 1));
    element.setAttribute("aria-label", row ? spokenLabel(row, status) : "Loading");
    this.score.hidden = row?.score == null;
    if (row?.score != null) {
      setText(this.number, formatScore(row.score));
      this.bar.style.cssText = `width: ${Math.round(100 * Math.min(1, Math.max(0, row.score)))}%; background: ${scoreColor(row.score)}`;
      this.score.title = `Suspect ${formatScore(row.score)}: 0 % is a good mask, 100 % a wrong one`;
    }
    this.mark.hidden = !mark;
    if (mark) {
      this.mark.replaceChildren(icon(mark.icon));
      this.mark.title = mark.title;
    }
    this.heatmapName.hidden = !heatmap?.url;
    setText(this.heatmapName, heatmap?.url ? scoreTitle(heatmap.name) : "");
    this.error.hidden = !thumbnail?.error;
    setText(this.errorText, thumbnail?.error ? shortenError(thumbnail.error, row?.name ?? "") : "");
    this.error.title = thumbnail?.error ?? "";
    this.edit.hidden = !row;
    this.dot.style.setProperty("--swatch", color);
    this.dot.hidden = !row || row.objects !== null;
    setText(this.label, row ? labelText(row) : "");
    this.label.title = row ? `${row.label}\n${row.name}`.trim() : "";
    this.label.classList.toggle("cdw-soft", !row?.label);
    this.stale.hidden = row?.score !== null || row.objects !== null;
    for (const [i, chip] of this.chips.entries()) writeReason(chip, row?.chips[i]);
  }
}

/** A chip for a reason: its name over a bar of its strength, and all of it as a tooltip. */
export function reasonChip(): HTMLElement {
  return h("span", { class: "cdw-reason" }, h("span"), h("i"));
}

export function writeReason(chip: HTMLElement, reason: Reason | undefined) {
  chip.hidden = !reason;
  if (!reason) return;
  const [name, bar] = chip.children as HTMLCollectionOf<HTMLElement>;
  setText(name, scoreTitle(reason.name));
  chip.title = `${scoreTitle(reason.name)} ${formatScore(reason.value)}${reason.reason ? `: ${reason.reason}` : ""}`;
  bar.style.cssText = `width: ${Math.round(100 * Math.min(1, Math.max(0, reason.value)))}%; background: ${scoreColor(reason.value)}`;
}

/** Shorten an error: without the folders of the file and without the advice, which the details below the tiles show. */
export function shortenError(error: string, name: string): string {
  const at = name ? error.indexOf(name) : -1;
  const from = at < 0 ? -1 : error.slice(0, at).search(/\S*\//);
  const after = Math.max(0, at) + (at < 0 ? 0 : name.length);
  const more = error.slice(after).search(/; | \(/);
  const end = more < 0 ? error.length : after + more;
  return from < 0 ? error.slice(0, end) : `${error.slice(0, from)}…/${error.slice(at, end)}`;
}

function spokenLabel(row: Row, status: Status): string {
  const score = row.score === null ? "" : suspicion(row.score);
  return [labelText(row), score, status, ...row.chips.slice(0, 1).map(({ name, reason }) => reason || scoreTitle(name))]
    .filter(Boolean)
    .join(", ");
}

// SVG instead of a canvas: browsers create separate layers for every canvas and the elements over it, which slow down scrolling.
const createSvg = <K extends keyof SVGElementTagNameMap>(name: K) =>
  document.createElementNS("http://www.w3.org/2000/svg", name);

/** The picture of a tile: the image, the mask in the color of its label, or a heatmap. */
class TilePicture {
  readonly element = createSvg("svg");
  private readonly image = createSvg("image");
  private readonly heatmap = createSvg("image");
  private readonly paths = [createSvg("path"), createSvg("path")]; // the area with a dark rim, which is visible on light images, and the line
  private shown: Thumbnail | undefined;

  constructor() {
    this.element.setAttribute("class", "cdw-shot");
    this.element.setAttribute("aria-hidden", "true");
    this.heatmap.setAttribute("preserveAspectRatio", "none");
    this.element.append(this.image, this.heatmap, ...this.paths);
  }

  show(thumbnail: Thumbnail | undefined, heatmap: Heatmap | null, color: string) {
    if (thumbnail !== this.shown) this.setThumbnail(thumbnail);
    setAttribute(this.heatmap, "href", heatmap?.url ?? "");
    this.element.classList.toggle("cdw-hot", !!heatmap?.url);
    setAttribute(this.element, "color", color);
  }

  private setThumbnail(thumbnail: Thumbnail | undefined) {
    this.shown = thumbnail;
    const { width, height, url, outline } = thumbnail ?? { width: 0, height: 0, url: "", outline: "" };
    setAttribute(this.element, "viewBox", `0 0 ${width} ${height}`);
    for (const image of [this.image, this.heatmap]) {
      setAttribute(image, "width", String(width));
      setAttribute(image, "height", String(height));
    }
    setAttribute(this.image, "href", url);
    for (const path of this.paths) setAttribute(path, "d", outline);
  }
}

function setAttribute(element: Element, name: string, value: string) {
  if (!value) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
