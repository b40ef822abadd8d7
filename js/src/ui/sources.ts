/** Colours the pixels of the selected object by where they come from, with a legend. Asked for anew after every change, while it is on. */
import type { Box } from "../bitmap";
import { onImage } from "../layers";
import { inflate } from "../superpixels";
import type { Part, View } from "../view";
import { h } from "./dom";

/** In the order of the numbers that the kernel gives. The colours differ in lightness, too. */
const SOURCES: [name: string, color: string][] = [
  ["Nobody", ""], ["Model", "#4f8ef7"], ["Brush", "#f59e0b"], ["Superpixel", "#10b981"], ["Lasso", "#ec4899"], ["Polygon", "#a855f7"],
  ["Wand", "#facc15"], ["Command", "#94a3b8"], ["Matte", "#22d3ee"], ["Import", "#c08457"],
];
const OPACITY = 190; // of 255

export function sources(view: View): Part {
  const { doc, viewer } = view;
  const canvas = h("canvas", {}), list = h("ul", {});
  const legend = h("div", { class: "cdw-legend", role: "group", "aria-label": "Where pixels come from" }, h("b", {}, "Where pixels come from"), list);
  const element = h("div", { class: "cdw-sources" }, canvas, legend);
  let asked = "", painted = "", shown: { box: Box; picture: HTMLCanvasElement } | null = null;

  async function ask(key: string) {
    asked = key;
    const reply = await doc.request("sources").catch(() => null);
    if (!reply || asked !== key) return;
    const numbers = new Uint8Array(await inflate(reply.buffers[0]));
    if (asked !== key) return;
    shown = { box: reply.result.box, picture: paint(reply.result.box, numbers) };
    painted = "";
    explain(numbers);
    refresh();
  }

  function explain(numbers: Uint8Array) {
    const counts = new Array<number>(SOURCES.length).fill(0);
    for (const number of numbers) counts[number]++;
    const total = counts.reduce((sum, count, i) => sum + (i ? count : 0), 0);
    const lines = SOURCES.flatMap(([name, color], i) => (i && counts[i]
      ? [h("li", {}, h("i", { style: `background: ${color}` }), name, h("span", {}, percent(counts[i] / total)))] : []));
    list.replaceChildren(...(lines.length ? lines : [h("li", { class: "cdw-soft" }, "Nothing has been changed yet")]));
  }

  function refresh() {
    element.hidden = !view.tracing || view.peeking || !doc.picture;
    if (!view.tracing) return void (asked = "");
    const key = `${doc.image.key} ${doc.revision}`;
    if (key !== asked && doc.revision >= 0 && !doc.dead) void ask(key);
    if (element.hidden) return;
    const { clientWidth, clientHeight } = viewer.stage, ratio = devicePixelRatio || 1;
    const look = JSON.stringify([viewer.camera, clientWidth, clientHeight, ratio]);
    if (look === painted) return; // the pointer has moved, no more
    painted = look;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    if (!shown?.picture.width) return;
    const ctx = canvas.getContext("2d")!;
    onImage(ctx, viewer.camera, ratio);
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(shown.picture, shown.box[0], shown.box[1]);
  }

  return { element, refresh };
}

function paint([x0, y0, x1, y1]: Box, numbers: Uint8Array): HTMLCanvasElement {
  const canvas = h("canvas", { width: String(x1 - x0), height: String(y1 - y0) });
  if (!numbers.length) return canvas;
  const pixels = new ImageData(x1 - x0, y1 - y0), words = new Uint32Array(pixels.data.buffer);
  const palette = SOURCES.map(([, color]) => {
    const rgb = parseInt(color.slice(1) || "0", 16);
    return color ? ((OPACITY << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0 : 0;
  });
  numbers.forEach((number, i) => { words[i] = palette[number]; });
  canvas.getContext("2d")!.putImageData(pixels, 0, 0);
  return canvas;
}

function percent(part: number): string { return part < 0.01 ? "< 1 %" : `${Math.round(100 * part)} %`; }
