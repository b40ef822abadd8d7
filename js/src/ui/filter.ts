/** Brightness, contrast and channels: a colour filter that the browser lays over the canvas of the image. */
import { PLAIN, type Display } from "../display";
import type { Part, View } from "../view";
import { h } from "./dom";

const LUMA = [0.299, 0.587, 0.114];
const WEIGHTS: Record<Display["channel"], number[] | null> = { color: null, grey: LUMA, red: [1, 0, 0], green: [0, 1, 0], blue: [0, 0, 1] };
let count = 0;

export function filter(view: View): Part {
  const id = `cdw-filter-${++count}`, element = h("div", { class: "cdw-filter", "aria-hidden": "true" });
  let shown = "";

  function refresh() {
    const values = matrix(view.display), plain = values === matrix(PLAIN);
    if (values === shown) return;
    shown = values;
    element.innerHTML = plain ? "" : `<svg width="0" height="0"><filter id="${id}" color-interpolation-filters="sRGB"><feColorMatrix values="${values}"/></filter></svg>`;
    view.viewer.stage.querySelector("canvas")!.style.filter = plain ? "" : `url("#${id}")`;
  }

  return { element, refresh };
}

/** Contrast turns around the middle grey, then brightness multiplies. */
function matrix({ brightness, contrast, channel }: Display): string {
  const factor = brightness * contrast, shift = brightness * (0.5 - 0.5 * contrast);
  const row = (own: number) => [0, 1, 2].map((from) => factor * (WEIGHTS[channel]?.[from] ?? Number(from === own)));
  return [0, 1, 2].map((own) => [...row(own), 0, shift].join(" ")).concat("0 0 0 1 0").join(" ");
}
