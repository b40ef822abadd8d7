/** The browser's copy of the maps that Python draws. One per model, shared by all its views. */
import type { Box } from "../bitmap";
import { copyBuffer } from "../buffers";
import type { Point } from "../cover";
import { context2d } from "../dom";
import { Kernel, Listeners, type Model } from "../kernel";
import type { PictureTraits } from "../traits";

/** The texts of a map. */
export interface MapTexts {
  name: string;
  title: string;
  unit: string;
  formula: string; // HTML
  meaning: string;
  has_branches: boolean;
  has_colormap: boolean;
}

/** The synchronized traits of the inspector. */
export interface InspectorTraits extends PictureTraits {
  map: string;
  branch: "foreground" | "background";
  number: number; // the step or head
  query: Point; // image pixels
  compare: string; // the variant of the second map; "" for none
  opacity: number;
  colormap: string;
  smooth: boolean;
  marks: boolean;
  view_only: boolean;
  _maps: MapTexts[];
  _colormaps: string[];
  _steps: string[];
  _variants: string[];
  _message: string;
  _findings: { name: string; text: string; wrong: boolean }[];
  _is_notebook: boolean;
}
export type InspectorModel = Model<InspectorTraits>;

/** The photograph and its marks; lengths and points are in pixels of the canvas, except `box`, the view in image pixels. */
export interface Photograph {
  box: Box;
  width: number;
  height: number;
  outlines: number[][]; // x and y of the corners in turn
  clicks: [x: number, y: number, isPositive: boolean][];
}

/** One map. */
export interface Panel {
  note: string;
  rows: number;
  columns: number;
  box: Box; // canvas pixels
  is_magnified: boolean; // drawn large in a corner, not in its box
}

/** The color bar of continuous values, or the classes with their colors. */
export type Scale = { colors: string[]; ticks: string[] } | { classes: [name: string, color: string][] };

/** A map and its comparison. */
export interface DrawnMap<P = Panel & { cells: CanvasImageSource }> {
  name: string;
  panels: P[];
  frame: Box | null; // the queried token or pixel
  scale: Scale;
}

/** The parts of a drawing that have changed: their buffers are the photograph, then the cells of each panel. */
interface Message {
  photograph?: Photograph;
  map?: DrawnMap<Panel>;
  status?: string;
}

const WATCHED_TRAITS = [
  "map",
  "branch",
  "number",
  "compare",
  "opacity",
  "colormap",
  "smooth",
  "marks",
  "view_only",
  "_steps",
  "_variants",
  "_message",
  "_findings",
] satisfies (keyof InspectorTraits)[];

export class Drawing {
  photograph: (Photograph & { picture: CanvasImageSource }) | null = null;
  map: DrawnMap | null = null;
  status = "";
  readonly kernel: Kernel;
  private readonly listeners = new Listeners();
  private received = Promise.resolve(); // settles when all messages so far are decoded

  constructor(readonly model: InspectorModel) {
    this.kernel = new Kernel(model, {
      probe: () => ({ op: "drawing" }),
      changed: this.listeners.notify,
      received: (result, buffers) => this.receive(result as Message, buffers),
    });
    for (const trait of WATCHED_TRAITS) model.on(`change:${trait}`, this.listeners.notifySoon);
    void this.kernel.load("drawing");
  }

  /** Call `listener` after every change until `signal` is aborted. */
  listen(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener, signal);
  }

  set<Name extends keyof InspectorTraits>(trait: Name, value: InspectorTraits[Name]) {
    this.model.set(trait, value);
    this.model.save_changes();
    this.listeners.notify();
  }

  /** Query a point in image pixels while the pointer is there. */
  hover([x, y]: Point) {
    void this.kernel.requestLatest("hover", { x, y });
  }

  leave() {
    void this.kernel.requestLatest("leave", {});
  }

  /** Keep the query at a point in image pixels. */
  press([x, y]: Point) {
    void this.kernel.run("press", { x, y });
  }

  close() {
    this.kernel.close();
    this.listeners.clear();
  }

  /** Messages are drawn in their order; decoding a photograph takes a moment. */
  private receive(message: Message, buffers: DataView<ArrayBuffer>[]) {
    this.received = this.received
      .then(() => this.take(message, buffers))
      .catch((error: Error) => this.kernel.showError(`the map cannot be drawn: ${error.message}`));
  }

  private async take({ photograph, map, status }: Message, buffers: DataView<ArrayBuffer>[]) {
    const files = [...buffers];
    if (photograph) {
      const file = new Blob([files.shift() as BlobPart], { type: "image/jpeg" });
      this.photograph = { ...photograph, picture: await createImageBitmap(file) };
    }
    if (map)
      this.map = { ...map, panels: map.panels.map((panel, i) => ({ ...panel, cells: cellsOf(panel, files[i]) })) };
    this.status = status ?? this.status;
    this.listeners.notify();
  }
}

function cellsOf({ rows, columns }: Panel, colors: DataView<ArrayBuffer>): OffscreenCanvas {
  const canvas = new OffscreenCanvas(columns, rows);
  context2d(canvas).putImageData(new ImageData(new Uint8ClampedArray(copyBuffer(colors)), columns, rows), 0, 0);
  return canvas;
}
