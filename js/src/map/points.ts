/** What the browser knows of the points: where they are, their colours, and which are selected. One for each model, shared by all its views. */
import { Transport, type Model, type Reply } from "../transport";
import { ANSWERS_WITHIN, DEAD, SLOW, type Trouble } from "../trouble";
import { Places } from "./places";
import type { Colour } from "./raster";

export interface Class { name: string; color: string; count: number }
export interface Legend { by: string; classes: Class[]; low: number; high: number; none: number } // none: how many have no class or score
export interface About { item: number; name: string; labels: string; status: string; score: number | null; error: string }
export interface Card { about: About; picture: string } // the address of its picture, or ""

export const NONE = 255; // the number of a point without a class
export const GREY = "#8a929c"; // its colour
const STEPS = 255; // of a scale
const STOPS: Colour[] = [[37, 99, 190], [96, 180, 190], [240, 205, 90], [214, 60, 50]]; // of a scale, from low to high
const TRAITS = ["selected", "point", "opacity", "height", "view_only", "shortcuts"];
const MOST_CARDS = 60;

export class Points {
  places = new Places(new Float32Array(), new Float32Array());
  ids = new Int32Array();
  numbers = new Uint8Array(); // of the class of each, or its step on a scale
  chosen = new Uint8Array(); // 1: selected
  palette: Colour[] = [];
  legend: Legend = { by: "", classes: [], low: 0, high: 1, none: 0 };
  missing = 0; // items without an embedding
  version = 0; // goes up whenever the points look different
  loading = true;
  placing = ""; // the projection under way
  trouble: Trouble = null;
  private index = new Map<number, number>(); // id -> point
  private readonly cards = new Map<number, Card>();
  private readonly transport: Transport;
  private readonly listeners = new Set<() => void>();

  constructor(readonly model: Model) {
    this.transport = new Transport(model, () => { if (this.dead) this.revive(); }, (slow) => this.onSlow(slow));
    for (const trait of TRAITS) model.on(`change:${trait}`, () => this.onTrait(trait));
    model.on("change:_map", () => void this.fetchPoints());
    model.on("change:color_by", () => void this.fetchColors());
    model.on("comm_live_update", () => void this.onLiveUpdate());
    void this.fetchPoints();
  }

  get dead() { return this.trouble?.kind === "dead"; }
  get busy() { return this.loading; }
  get selected(): number[] { return this.model.get("selected"); }
  get count() { return this.places.count; }

  listen(listener: () => void, signal: AbortSignal) {
    this.listeners.add(listener);
    signal.addEventListener("abort", () => this.listeners.delete(listener));
  }

  write(trait: string, value: unknown) {
    this.model.set(trait, value);
    this.model.save_changes();
    this.emit();
  }

  /** Select points; add to what is selected, or take away from it. */
  select(points: Iterable<number>, how: "new" | "add" | "take") {
    const next = how === "new" ? new Uint8Array(this.count) : this.chosen.slice();
    for (const i of points) next[i] = how === "take" ? 0 : 1;
    const ids: number[] = [];
    next.forEach((on, i) => { if (on) ids.push(this.ids[i]); });
    if (ids.length || this.selected.length) this.write("selected", ids);
  }

  /** The points of a class. */
  of(number: number): number[] {
    const found: number[] = [];
    this.numbers.forEach((own, i) => { if (own === number) found.push(i); });
    return found;
  }

  /** What a point is; null where another one was asked about meanwhile. */
  async card(point: number, size: number): Promise<Card | null> {
    const item = this.ids[point], known = this.cards.get(item);
    if (known || this.dead) return known ?? null;
    const reply = await this.transport.peek("thumb", { item, size }).catch(() => null);
    if (!reply) return null;
    const [file] = reply.buffers, card = { about: reply.result, picture: file ? URL.createObjectURL(new Blob([file], { type: "image/jpeg" })) : "" };
    this.cards.set(item, card);
    for (const [old, { picture }] of this.cards) {
      if (this.cards.size <= MOST_CARDS) break;
      this.cards.delete(old);
      URL.revokeObjectURL(picture);
    }
    return card;
  }

  refresh() { void this.send("refresh"); }

  dismiss() {
    if (!this.dead) this.trouble = null;
    this.emit();
  }

  close() {
    this.transport.close();
    this.forgetCards();
    this.listeners.clear();
  }

  private async fetchPoints() {
    const { key } = this.model.get("_map"), by = this.model.get("color_by");
    this.loading = true;
    this.placing = this.model.get("projection");
    this.emit();
    const [points, colors] = await Promise.all([this.send("points", { key }), this.send("colors", { by })]);
    if (key !== this.model.get("_map").key) return; // others are on their way
    this.loading = false;
    if (points) {
      const [ids, places] = points.buffers.map(copied), count = ids.byteLength / 4;
      this.ids = new Int32Array(ids);
      this.places = new Places(new Float32Array(places, 0, count), new Float32Array(places, 4 * count, count));
      this.index = new Map(Array.from(this.ids, (id, i) => [id, i]));
      this.missing = points.result.missing;
      this.forgetCards();
    }
    this.takeColors(colors);
    this.mark();
    this.emit();
    if (by !== this.model.get("color_by")) void this.fetchColors();
  }

  private async fetchColors() {
    const by = this.model.get("color_by"), colors = await this.send("colors", { by });
    if (by !== this.model.get("color_by") || this.loading) return;
    this.takeColors(colors);
    this.emit();
  }

  private takeColors(reply: Reply | null) {
    if (!reply) return;
    this.legend = reply.result;
    this.numbers = new Uint8Array(copied(reply.buffers[0]));
    this.palette = this.legend.classes.length ? this.legend.classes.map(({ color }) => parse(color)) : [...SCALE];
    this.palette[NONE] = parse(GREY);
    this.version++;
  }

  private async send(op: string, fields: Record<string, unknown> = {}): Promise<Reply | null> {
    if (this.dead) return null;
    if (this.trouble?.kind === "error") this.trouble = null;
    try {
      return await this.transport.request(op, fields);
    } catch (error) {
      if (!this.dead) this.trouble = { kind: "error", text: (error as Error).message };
      return null;
    } finally {
      this.emit();
    }
  }

  private onTrait(trait: string) {
    if (trait === "selected") this.mark();
    this.version++;
    this.emit();
  }

  private mark() {
    this.chosen = new Uint8Array(this.count);
    for (const id of this.selected) {
      const point = this.index.get(id);
      if (point !== undefined) this.chosen[point] = 1;
    }
    this.version++;
  }

  private forgetCards() {
    for (const { picture } of this.cards.values()) URL.revokeObjectURL(picture);
    this.cards.clear();
  }

  private onSlow(slow: boolean) {
    if (slow && !this.trouble && this.placing !== "tsne") this.trouble = { kind: "slow", text: SLOW };
    if (!slow && this.trouble?.kind === "slow") this.trouble = null;
    this.emit();
  }

  /** The host says that the connection changed, not how: whoever is alive answers at once. */
  private async onLiveUpdate() {
    const timer = setTimeout(() => this.die(), ANSWERS_WITHIN);
    await this.transport.request("colors", { by: "status" }).then(() => clearTimeout(timer), () => this.die());
  }

  private die() {
    this.trouble = { kind: "dead", text: DEAD };
    this.transport.fail(DEAD);
    this.emit();
  }

  private revive() {
    this.trouble = null;
    this.emit();
  }

  private emit() { for (const listener of this.listeners) listener(); }
}

const SCALE: Colour[] = Array.from({ length: STEPS }, (_, i) => {
  const at = (3 * i) / (STEPS - 1), low = Math.min(2, Math.floor(at));
  return [0, 1, 2].map((c) => Math.round(STOPS[low][c] + (STOPS[low + 1][c] - STOPS[low][c]) * (at - low))) as unknown as Colour;
});

export const gradient = `linear-gradient(90deg, ${STOPS.map((stop) => `rgb(${stop.join(" ")})`).join(", ")})`;

/** A buffer's bytes with memory of their own: they may begin anywhere in the message. */
function copied({ buffer, byteOffset, byteLength }: DataView<ArrayBuffer>): ArrayBuffer { return buffer.slice(byteOffset, byteOffset + byteLength); }

/** "#rrggbb" as bytes. */
function parse(color: string): Colour { return [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16)) as unknown as Colour; }
