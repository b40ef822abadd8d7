/** Colors the pixels of the selected object by their source, with a legend. Reloaded after every change while it is shown. */
import type { Box } from "../bitmap";
import { copyBuffer } from "../buffers";
import { context2d, h } from "../dom";
import { onImage } from "../layers";
import { TOOLS } from "../tools";
import type { DocumentHost, ModeHost, Part, StageHost } from "./host";

const PIXEL_ALPHA = 190; // alpha, 0 to 255
const UNKNOWN_COLOR = "#ffffff";

/** The colors of the sources that are not tools; all colors also differ in lightness. */
const SOURCE_COLORS: Record<string, string> = { model: "#4f8ef7", command: "#94a3b8", import: "#c08457" };

export function sourceLayer(host: DocumentHost & StageHost & ModeHost): Part {
  const { doc, viewer } = host;
  const canvas = h("canvas", {});
  const list = h("ul", {});
  const legend = h(
    "div",
    { class: "cdw-legend", role: "group", "aria-label": "Pixel sources" },
    h("b", {}, "Pixel sources"),
    list,
  );
  const element = h("div", { class: "cdw-sources" }, canvas, legend);
  let requested = ""; // the image and revision of the newest request
  let painted = "";
  let shown: { box: Box; picture: HTMLCanvasElement } | null = null;

  async function load(key: string) {
    requested = key;
    const reply = await doc.kernel.request<{ box: Box }>("sources").catch(() => null);
    if (!reply || requested !== key) return;
    const numbers = new Uint8Array(copyBuffer(reply.buffers[0]));
    shown = {
      box: reply.result.box,
      picture: paintSources(reply.result.box, numbers, doc.model.get("_sources").map(colorOf)),
    };
    painted = "";
    writeLegend(numbers);
    refresh();
  }

  function colorOf(source: string): string {
    const tool = doc.model.get("_tools").find((one) => one.source === source && TOOLS[one.name]?.color);
    return SOURCE_COLORS[source] ?? (tool && TOOLS[tool.name].color) ?? UNKNOWN_COLOR;
  }

  function writeLegend(numbers: Uint8Array) {
    const counts = new Map<number, number>();
    for (const number of numbers) if (number) counts.set(number, (counts.get(number) ?? 0) + 1);
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    const lines = [...counts]
      .sort(([a], [b]) => a - b)
      .map(([number, count]) => {
        const name = doc.model.get("_sources")[number];
        const share = h("span", {}, percentText(count / total));
        return h("li", {}, h("i", { style: `background: ${colorOf(name)}` }), capitalize(name), share);
      });
    list.replaceChildren(...(lines.length ? lines : [h("li", { class: "cdw-soft" }, "No changes yet")]));
  }

  function refresh() {
    element.hidden = !host.modes.tracing || host.modes.peeking || !doc.picture;
    if (!host.modes.tracing) {
      requested = "";
      return;
    }
    const key = `${doc.image.key} ${doc.revision}`;
    if (key !== requested && doc.revision >= 0 && !doc.isLost) void load(key);
    if (element.hidden) return;
    const { clientWidth, clientHeight } = viewer.stage;
    const ratio = devicePixelRatio || 1;
    const state = JSON.stringify([viewer.camera, clientWidth, clientHeight, ratio]);
    if (state === painted) return;
    painted = state;
    canvas.width = Math.round(clientWidth * ratio);
    canvas.height = Math.round(clientHeight * ratio);
    if (!shown?.picture.width) return;
    const context = context2d(canvas);
    onImage(context, viewer.camera, ratio);
    context.imageSmoothingEnabled = false;
    context.drawImage(shown.picture, shown.box[0], shown.box[1]);
  }

  return { element, refresh };
}

/** Paint the numbers of sources in their colors; 0 is no source. */
function paintSources([x0, y0, x1, y1]: Box, numbers: Uint8Array, colors: string[]): HTMLCanvasElement {
  const canvas = h("canvas", { width: String(x1 - x0), height: String(y1 - y0) });
  if (!numbers.length) return canvas;
  const pixels = new ImageData(x1 - x0, y1 - y0);
  const words = new Uint32Array(pixels.data.buffer);
  const palette = colors.map((color, number) => (number ? toAbgr(color) : 0));
  for (let i = 0; i < numbers.length; i++) words[i] = palette[numbers[i]];
  context2d(canvas).putImageData(pixels, 0, 0);
  return canvas;
}

/** Convert #rrggbb to a little-endian RGBA pixel. */
function toAbgr(color: string): number {
  const rgb = parseInt(color.slice(1), 16);
  return ((PIXEL_ALPHA << 24) | ((rgb & 255) << 16) | (rgb & 0xff00) | (rgb >> 16)) >>> 0;
}

function capitalize(name: string): string {
  return name.charAt(0).toUpperCase() + name.slice(1);
}

function percentText(share: number): string {
  return share < 0.01 ? "< 1 %" : `${Math.round(100 * share)} %`;
}
