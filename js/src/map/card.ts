/** The card of the point under the pointer: its image, and what the catalogue says of it. */
import { h, setText } from "../ui/dom";
import type { Card, Points } from "./points";

const SIDE = 168; // CSS pixels of the picture, at most
const REST_MS = 60; // the pointer rests this long before the kernel is asked
const GAP = 14;

export class PointCard {
  private readonly picture = h("img", { alt: "" });
  private readonly name = h("b");
  private readonly labels = h("span");
  private readonly line = h("span");
  readonly element = h("div", { class: "cdw-card", "aria-hidden": "true" }, this.picture, this.name, this.labels, this.line);
  private point: number | null = null;
  private resting?: ReturnType<typeof setTimeout>;

  constructor(private readonly points: Points, private readonly stage: HTMLElement) {
    this.element.hidden = true;
    this.picture.addEventListener("load", () => this.place());
  }

  private at: [number, number] = [0, 0];

  /** Show the card of a point beside a place of the stage; null hides it. */
  show(point: number | null, x = 0, y = 0) {
    this.at = [x, y];
    if (point === this.point) return;
    this.point = point;
    clearTimeout(this.resting);
    this.element.hidden = true;
    if (point === null) return;
    this.resting = setTimeout(async () => {
      const card = await this.points.card(point, Math.round(SIDE * (devicePixelRatio || 1)));
      if (card && this.point === point) this.fill(card);
    }, REST_MS);
  }

  private fill({ about, picture }: Card) {
    this.picture.hidden = !picture;
    if (picture) this.picture.src = picture;
    setText(this.name, about.name);
    setText(this.labels, about.labels);
    setText(this.line, about.error || [about.status, about.score === null ? "" : `score ${about.score.toFixed(2)}`].filter(Boolean).join(" · "));
    this.element.hidden = false;
    this.place();
  }

  private place() {
    const [x, y] = this.at, { offsetWidth: width, offsetHeight: height } = this.element, { clientWidth, clientHeight } = this.stage;
    const left = x + GAP + width <= clientWidth ? x + GAP : Math.max(4, x - GAP - width);
    const top = Math.min(Math.max(4, y - height / 2), Math.max(4, clientHeight - height - 4));
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
