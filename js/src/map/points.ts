/** The browser's copy of the points: positions, colors and selection. One per model, shared by all its views. */
import { copyBuffer } from "../buffers";
import { Kernel, Listeners, type Model, type Reply } from "../kernel";
import type { PictureTraits } from "../traits";
import { PointIndex } from "./point_index";

export type Rgb = readonly [red: number, green: number, blue: number];
export type SelectionMode = "new" | "add" | "remove";

interface LegendClass {
  name: string;
  color: string;
  count: number;
}
interface Legend {
  by: string;
  classes: LegendClass[];
  low: number;
  high: number;
  none: number; // points without a class or score
}
interface ItemInfo {
  item: number;
  name: string;
  labels: string;
  status: string;
  score: number | null;
  error: string;
}
/** The card of a point. */
export interface Card {
  info: ItemInfo;
  picture: string; // URL, or "" if there is none
}

/** The synchronized traits of the embedding map. */
export interface MapTraits extends PictureTraits {
  color_by: "label" | "status" | "score";
  projection: "pca" | "tsne";
  selected: number[];
  point: number | null; // diameter in CSS pixels; null: automatic
  opacity: number;
  height: number;
  view_only: boolean;
  shortcuts: Record<string, string[]>;
  _map: { key: number };
}
export type MapModel = Model<MapTraits>;

export const NO_CLASS = 255; // class number of a point without a class or score
export const GRAY = "#8a929c"; // color of such a point
const SCALE_STEPS = 255; // steps of the color scale of scores
const SCALE_STOPS: Rgb[] = [
  [37, 99, 190],
  [96, 180, 190],
  [240, 205, 90],
  [214, 60, 50],
]; // color scale of scores, from low to high
const WATCHED_TRAITS = [
  "selected",
  "point",
  "opacity",
  "height",
  "view_only",
  "shortcuts",
] satisfies (keyof MapTraits)[];
const MAX_CARDS = 60; // cards in memory

export class Points {
  positions = new PointIndex(new Float32Array(), new Float32Array());
  ids = new Int32Array(); // item ids
  classes = new Uint8Array(); // class number of each point, or its step on the scale
  isSelected = new Uint8Array(); // 1: selected
  palette: Rgb[] = []; // color of each class number
  legend: Legend = { by: "", classes: [], low: 0, high: 1, none: 0 };
  missing = 0; // items without an embedding
  version = 0; // increases whenever the points look different
  isLoading = true;
  loadingProjection = "";
  readonly kernel: Kernel;
  private pointOf = new Map<number, number>(); // item id -> index of its point
  private readonly cards = new Map<number, Card>();
  private readonly listeners = new Listeners();

  constructor(readonly model: MapModel) {
    this.kernel = new Kernel(model, {
      probe: () => ({ op: "colors", fields: { by: "status" } }),
      changed: this.listeners.notify,
      expectsDelay: () => this.loadingProjection === "tsne",
    });
    for (const trait of WATCHED_TRAITS) model.on(`change:${trait}`, () => this.onTrait(trait));
    model.on("change:_map", () => void this.loadPoints());
    model.on("change:color_by", () => void this.loadColors());
    void this.loadPoints();
  }

  get isLost() {
    return this.kernel.isLost;
  }
  get selected(): number[] {
    return this.model.get("selected");
  }
  get count() {
    return this.positions.count;
  }

  /** Call `listener` after every change until `signal` is aborted. */
  listen(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener, signal);
  }

  set<Name extends keyof MapTraits>(trait: Name, value: MapTraits[Name]) {
    this.model.set(trait, value);
    this.model.save_changes();
    this.listeners.notify();
  }

  /** Select points, add them to the selection, or remove them from it. */
  select(points: Iterable<number>, mode: SelectionMode) {
    const next = mode === "new" ? new Uint8Array(this.count) : this.isSelected.slice();
    for (const point of points) next[point] = mode === "remove" ? 0 : 1;
    const ids = [...this.ids].filter((_, i) => next[i]);
    if (ids.length || this.selected.length) this.set("selected", ids);
  }

  /** Return the points of a class. */
  ofClass(number: number): number[] {
    return [...this.classes.keys()].filter((i) => this.classes[i] === number);
  }

  /** Load the card of a point; null if another one was requested in the meantime. */
  async loadCard(point: number, size: number): Promise<Card | null> {
    const item = this.ids[point];
    const known = this.cards.get(item);
    if (known) return known;
    const reply = await this.kernel.requestLatest<ItemInfo>("thumb", { item, size });
    if (!reply) return null;
    const [file] = reply.buffers;
    const picture = file ? URL.createObjectURL(new Blob([file], { type: "image/jpeg" })) : "";
    const card = { info: reply.result, picture };
    this.cards.set(item, card);
    for (const [old, { picture: url }] of this.cards) {
      if (this.cards.size <= MAX_CARDS) break;
      this.cards.delete(old);
      URL.revokeObjectURL(url);
    }
    return card;
  }

  refresh() {
    void this.kernel.run("refresh");
  }

  close() {
    this.kernel.close();
    this.dropCards();
    this.listeners.clear();
  }

  private async loadPoints() {
    const { key } = this.model.get("_map");
    const by = this.model.get("color_by");
    this.isLoading = true;
    this.loadingProjection = this.model.get("projection");
    this.listeners.notify();
    const [points, colors] = await Promise.all([
      this.kernel.run<{ missing: number }>("points", { key }),
      this.kernel.run<Legend>("colors", { by }),
    ]);
    if (key !== this.model.get("_map").key) return; // other points are being loaded
    this.isLoading = false;
    if (points) this.setPoints(points);
    this.setColors(colors);
    this.markSelected();
    this.listeners.notify();
    if (by !== this.model.get("color_by")) void this.loadColors();
  }

  private async loadColors() {
    const by = this.model.get("color_by");
    const colors = await this.kernel.run<Legend>("colors", { by });
    if (by !== this.model.get("color_by") || this.isLoading) return;
    this.setColors(colors);
    this.listeners.notify();
  }

  private setPoints({ result, buffers }: Reply<{ missing: number }>) {
    const [ids, positions] = buffers.map(copyBuffer);
    const count = ids.byteLength / 4;
    this.ids = new Int32Array(ids);
    this.positions = new PointIndex(
      new Float32Array(positions, 0, count),
      new Float32Array(positions, 4 * count, count),
    );
    this.pointOf = new Map(Array.from(this.ids, (id, i) => [id, i]));
    this.missing = result.missing;
    this.dropCards();
  }

  private setColors(reply: Reply<Legend> | null) {
    if (!reply) return;
    this.legend = reply.result;
    this.classes = new Uint8Array(copyBuffer(reply.buffers[0]));
    this.palette = this.legend.classes.length ? this.legend.classes.map(({ color }) => parseHex(color)) : [...SCALE];
    this.palette[NO_CLASS] = parseHex(GRAY);
    this.version++;
  }

  private onTrait(trait: keyof MapTraits) {
    if (trait === "selected") this.markSelected();
    this.version++;
    this.listeners.notify();
  }

  private markSelected() {
    this.isSelected = new Uint8Array(this.count);
    for (const id of this.selected) {
      const point = this.pointOf.get(id);
      if (point !== undefined) this.isSelected[point] = 1;
    }
    this.version++;
  }

  private dropCards() {
    for (const { picture } of this.cards.values()) URL.revokeObjectURL(picture);
    this.cards.clear();
  }
}

const SCALE: Rgb[] = Array.from({ length: SCALE_STEPS }, (_, i) => {
  const position = ((SCALE_STOPS.length - 1) * i) / (SCALE_STEPS - 1);
  const low = Math.min(SCALE_STOPS.length - 2, Math.floor(position));
  const mix = (channel: number) => {
    const [from, to] = [SCALE_STOPS[low][channel], SCALE_STOPS[low + 1][channel]];
    return Math.round(from + (to - from) * (position - low));
  };
  return [mix(0), mix(1), mix(2)];
});

export const SCALE_GRADIENT = `linear-gradient(90deg, ${SCALE_STOPS.map((stop) => `rgb(${stop.join(" ")})`).join(", ")})`;

/** Parse "#rrggbb". */
function parseHex(color: string): Rgb {
  const byte = (start: number) => parseInt(color.slice(start, start + 2), 16);
  return [byte(1), byte(3), byte(5)];
}
