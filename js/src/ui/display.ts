/** How a view shows the image. Colors are changed by a filter over the canvas, so that no pixel is painted again for them. */
import { h } from "../dom";
import type { Display, DisplayHost, Part, StageHost } from "./host";

export const DEFAULT_DISPLAY: Display = { brightness: 1, contrast: 1, channel: "color", sharp: false, grid: true };

const LUMA_WEIGHTS = [0.299, 0.587, 0.114];
const CHANNEL_WEIGHTS: Record<Display["channel"], number[] | null> = {
  color: null,
  gray: LUMA_WEIGHTS,
  red: [1, 0, 0],
  green: [0, 1, 0],
  blue: [0, 0, 1],
};
let filterCount = 0;

export function colorFilter(host: DisplayHost & StageHost): Part {
  const id = `cdw-filter-${++filterCount}`;
  const element = h("div", { class: "cdw-filter", "aria-hidden": "true" });
  let shown = "";

  function refresh() {
    const values = matrixOf(host.display);
    const isDefault = values === matrixOf(DEFAULT_DISPLAY);
    if (values === shown) return;
    shown = values;
    element.innerHTML = isDefault
      ? ""
      : `<svg width="0" height="0"><filter id="${id}" color-interpolation-filters="sRGB"><feColorMatrix values="${values}"/></filter></svg>`;
    host.viewer.imageCanvas.style.filter = isDefault ? "" : `url("#${id}")`;
  }

  return { element, refresh };
}

/** The matrix that scales around middle gray by the contrast, then multiplies by the brightness. */
function matrixOf({ brightness, contrast, channel }: Display): string {
  const factor = brightness * contrast;
  const shift = brightness * (0.5 - 0.5 * contrast);
  const row = (own: number) =>
    [0, 1, 2].map((from) => factor * (CHANNEL_WEIGHTS[channel]?.[from] ?? Number(from === own)));
  const rows = [0, 1, 2].map((own) => [...row(own), 0, shift].join(" "));
  return [...rows, "0 0 0 1 0"].join(" ");
}
