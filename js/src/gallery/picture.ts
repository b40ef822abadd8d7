/** A tile's picture: the image, the mask in its label's colour and outlined as in the editor, or where a score is high. */
import type { Heat } from "./heat";
import type { Thumb } from "./thumbs";

// SVG, not a canvas: a browser gives every canvas, and what lies over it, layers of their own, which it has to move while one scrolls.
const svg = <K extends keyof SVGElementTagNameMap>(name: K) => document.createElementNS("http://www.w3.org/2000/svg", name);

export class Picture {
  readonly element = svg("svg");
  private readonly image = svg("image");
  private readonly heat = svg("image");
  private readonly paths = [svg("path"), svg("path")]; // what is inside, with a dark rim that is seen on light images; and the line
  private shown: Thumb | undefined;

  constructor() {
    this.element.setAttribute("class", "cdw-shot");
    this.element.setAttribute("aria-hidden", "true");
    this.heat.setAttribute("preserveAspectRatio", "none");
    this.element.append(this.image, this.heat, ...this.paths);
  }

  show(thumb: Thumb | undefined, heat: Heat | null, color: string) {
    if (thumb !== this.shown) this.take(thumb);
    write(this.heat, "href", heat?.url ?? "");
    this.element.classList.toggle("cdw-hot", !!heat?.url);
    write(this.element, "color", color);
  }

  private take(thumb: Thumb | undefined) {
    this.shown = thumb;
    const { width, height, url, outline } = thumb ?? { width: 0, height: 0, url: "", outline: "" };
    write(this.element, "viewBox", `0 0 ${width} ${height}`);
    for (const image of [this.image, this.heat]) {
      write(image, "width", String(width));
      write(image, "height", String(height));
    }
    write(this.image, "href", url);
    for (const path of this.paths) write(path, "d", outline);
  }
}

function write(element: Element, name: string, value: string) {
  if (!value) element.removeAttribute(name);
  else if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}
