/** The card of the point under the pointer: its image, labels, status and score. */
import { h, setText } from "../dom";
import type { Card, Points } from "./points";

const MAX_PICTURE_PX = 168; // CSS pixels, longer side
const REST_MS = 60; // the pointer rests this long before the card is loaded
const GAP_PX = 14; // CSS pixels between point and card
const MARGIN_PX = 4; // CSS pixels between card and stage

export class PointCard {
  private readonly picture = h("img", { alt: "" });
  private readonly name = h("b");
  private readonly labels = h("span");
  private readonly line = h("span");
  readonly element = h(
    "div",
    { class: "cdw-card", "aria-hidden": "true" },
    this.picture,
    this.name,
    this.labels,
    this.line,
  );
  private point: number | null = null;
  private restTimer?: ReturnType<typeof setTimeout>;

  constructor(
    private readonly points: Points,
    private readonly stage: HTMLElement,
  ) {
    this.element.hidden = true;
    this.picture.addEventListener("load", () => this.place());
  }

  private position: [number, number] = [0, 0];

  /** Show the card of a point next to a position on the stage; null hides it. */
  show(point: number | null, x = 0, y = 0) {
    this.position = [x, y];
    if (point === this.point) return;
    this.point = point;
    clearTimeout(this.restTimer);
    this.element.hidden = true;
    if (point === null) return;
    this.restTimer = setTimeout(async () => {
      const card = await this.points.loadCard(point, Math.round(MAX_PICTURE_PX * (devicePixelRatio || 1)));
      if (card && this.point === point) this.fill(card);
    }, REST_MS);
  }

  private fill({ info, picture }: Card) {
    this.picture.hidden = !picture;
    if (picture) this.picture.src = picture;
    setText(this.name, info.name);
    setText(this.labels, info.labels);
    setText(
      this.line,
      info.error ||
        [info.status, info.score === null ? "" : `suspect ${Math.round(100 * info.score)} %`]
          .filter(Boolean)
          .join(" · "),
    );
    this.element.hidden = false;
    this.place();
  }

  private place() {
    const [x, y] = this.position;
    const { offsetWidth: width, offsetHeight: height } = this.element;
    const { clientWidth, clientHeight } = this.stage;
    const left = x + GAP_PX + width <= clientWidth ? x + GAP_PX : Math.max(MARGIN_PX, x - GAP_PX - width);
    const top = Math.min(Math.max(MARGIN_PX, y - height / 2), Math.max(MARGIN_PX, clientHeight - height - MARGIN_PX));
    this.element.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
