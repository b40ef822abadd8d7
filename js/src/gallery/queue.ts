/** What the browser knows of the list that Python keeps: rows, pictures, verdicts under way. One for each model, shared by all its views. */
import { Transport, type Model, type Reply } from "../transport";
import { ANSWERS_WITHIN, DEAD, Raised, SLOW, type Offer, type Trouble } from "../trouble";
import { Fetching } from "./fetching";
import { Heats } from "./heat";
import { Repair } from "./repair";
import { BLOCK, Rows, type Range, type Row, type Status } from "./rows";
import { Thumbs } from "./thumbs";

export interface Progress { done: number; total: number; per_hour: number | null; by_status: Record<string, number> }
export interface Choices { statuses: string[]; labels: string[]; tags: string[]; scores: string[] }

/** What a view looks at: its lines, what it may look at soon, the size of a picture in device pixels, and whose heat it shows. */
export interface Gaze { seen: Range; ahead: Range; size: number; hot: number[] }

const TRAITS = [
  "order_by", "status", "labels", "tag", "text", "min_score", "max_score", "only", "tile", "opacity", "view_only", "shortcuts", "height", "selected",
  "_choices", "_editor", "_notice",
];
const VERBS: Record<Status, string> = { new: "To do again", accepted: "Accepted", rejected: "Rejected", skipped: "Skipped" };
const MOST_ROWS = 1_000; // of a request
const FEW = 12, MANY = 32; // thumbnails of a request: few, so that the first are seen before the last are made; many, where all are made at once
const QUICK_MS = 300; // from a request to its answer, where that is at once

export class Queue {
  rows: Rows;
  readonly thumbs = new Thumbs();
  readonly heats = new Heats();
  trouble: Trouble = null;
  quick = false; // whether pictures come at once: then it pays to ask for many of them, far ahead
  said = ""; // what the newest verdict has done
  progress: Progress;
  readonly repair = new Repair(this);
  private coming: Rows | null = null; // of another query; shown once its first rows are here
  private readonly claims = new Map<number, { status: Status }>(); // verdicts that Python has not confirmed yet
  private readonly transport: Transport;
  private readonly listeners = new Set<() => void>();
  private readonly gazes = new Set<() => Gaze>();
  private readonly flying = new Set<number>(); // blocks
  private readonly pages = new Fetching(() => this.nextPage(), () => this.emitSoon());
  private readonly pictures = new Fetching(() => this.nextThumbs(), () => this.emitSoon());
  private readonly maps = new Fetching(() => this.nextHeat(), () => this.emitSoon());
  private emitting = false; // soon

  constructor(readonly model: Model) {
    this.transport = new Transport(model, (result) => this.hear(result), (slow) => this.onSlow(slow));
    this.progress = model.get("_progress");
    this.rows = this.emptyRows();
    for (const trait of TRAITS) model.on(`change:${trait}`, this.emit);
    model.on("change:_progress", () => this.onProgress());
    model.on("change:_query", () => this.onQuery());
    model.on("comm_live_update", () => void this.onLiveUpdate());
    this.onQuery();
  }

  get dead() { return this.trouble?.kind === "dead"; }
  get editable() { return !this.dead && !this.model.get("view_only"); }
  get busy() { return this.transport.busy || [this.pages, this.pictures, this.maps].some((fetching) => fetching.busy); }
  get waiting() { return this.coming !== null; } // for the rows of another query
  get selected(): number[] { return this.model.get("selected"); }
  get choices(): Choices { return this.model.get("_choices"); }

  /** What a row's status is, or is about to be. */
  statusOf(row: Row): Status { return this.claims.get(row.id)?.status ?? row.status; }

  /** Call `listener` after every change, and fetch what `gaze` says, until `signal` is aborted. */
  watch(listener: () => void, gaze: () => Gaze, signal: AbortSignal) {
    this.listeners.add(listener);
    this.gazes.add(gaze);
    signal.addEventListener("abort", () => {
      this.listeners.delete(listener);
      this.gazes.delete(gaze);
    });
  }

  /** Somebody looks at something else. */
  look() {
    if (this.dead) return;
    this.pages.pump();
    this.pictures.pump();
    this.maps.pump();
  }

  write(traits: Record<string, unknown>) {
    for (const [trait, value] of Object.entries(traits)) this.model.set(trait, value);
    this.model.save_changes();
    this.emit();
  }

  select(ids: number[]) { this.write({ selected: ids }); }

  /** Give instances a status. It is seen at once; if it cannot be kept, the old one is back and the reason is shown. */
  async judge(ids: number[], status: Status) {
    const claim = { status };
    for (const id of ids) this.claims.set(id, claim);
    const mine = () => ids.filter((id) => this.claims.get(id) === claim);
    this.say(ids.length > 1 ? `${VERBS[status]}: ${ids.length.toLocaleString("en")}` : VERBS[status]);
    const reply = await this.send("status", { ids, status });
    if (!reply) this.say("");
    for (const id of mine()) {
      const row = this.rows.find(id);
      if (reply && row) this.rows.update({ ...row, status });
      this.claims.delete(id);
    }
    this.emit();
  }

  /** Take the newest verdict back; the instances it was about, null when there is none. */
  async undo(): Promise<number[] | null> {
    const reply = await this.send("undo");
    const undone: { ids: number[] } | null = reply?.result.undone ?? null;
    if (reply) this.say(undone ? `Undone${undone.ids.length > 1 ? `: ${undone.ids.length.toLocaleString("en")}` : ""}` : "There is nothing to undo");
    return undone?.ids ?? null;
  }

  /** The ids of a range of rows, also of those that are not known here. */
  async ids({ start, stop }: Range): Promise<number[] | null> {
    const { rows } = this, ids: number[] = [];
    for (let index = start; index < stop;) {
      const row = rows.at(index);
      if (row) {
        ids.push(row.id);
        index++;
        continue;
      }
      const end = Math.min(stop, index + MOST_ROWS), reply = await this.send("page", { key: rows.key, start: index, stop: end });
      if (!reply || rows !== this.rows) return null;
      ids.push(...reply.result.rows.map(({ id }: Row) => id));
      index = end;
    }
    return ids;
  }

  say(text: string) {
    this.said = text;
    this.emit();
  }

  /**
   * Let the kernel do something. Trouble is shown, and the answer is null then; an old error is done with. offer: what may be done about
   * an exception, by its name.
   */
  async send(op: string, fields: Record<string, unknown> = {}, offer: (kind: string) => Offer | undefined = () => undefined): Promise<Reply | null> {
    if (this.dead) return null;
    if (this.trouble?.kind === "error") this.trouble = null;
    const request = this.transport.request(op, fields);
    this.emit();
    try {
      return await request;
    } catch (error) {
      if (!this.dead) this.trouble = { kind: "error", text: (error as Error).message, offer: error instanceof Raised ? offer(error.kind) : undefined };
      return null;
    } finally {
      this.emit();
    }
  }

  /** Say what went wrong here in the page. */
  fail(text: string) {
    this.trouble = { kind: "error", text };
    this.emit();
  }

  dismiss() {
    if (!this.dead) this.trouble = null;
    this.emit();
  }

  close() {
    this.transport.close();
    this.heats.clear();
    this.listeners.clear();
    this.gazes.clear();
  }

  readonly emit = () => {
    for (const listener of this.listeners) listener();
    this.look();
  };

  /** Once for all that arrives in one turn. */
  private readonly emitSoon = () => {
    if (!this.emitting) queueMicrotask(() => {
      this.emitting = false;
      this.emit();
    });
    this.emitting = true;
  };

  private emptyRows(): Rows {
    const { key = -1, count = 0 } = this.model.get("_query");
    return new Rows(key, count);
  }

  private onQuery() {
    const { error } = this.model.get("_query"), fresh = this.emptyRows();
    if (error) this.trouble = { kind: "error", text: error };
    const shown = this.rows.blocksOf({ start: 0, stop: BLOCK }).some((block) => this.rows.has(block));
    this.coming = shown && fresh.count > 0 && fresh.key !== this.rows.key ? fresh : null;
    if (!this.coming) this.rows = fresh;
    this.flying.clear();
    this.emit();
  }

  private onProgress() {
    this.progress = this.model.get("_progress");
    this.emit();
  }

  private looked(): Gaze[] { return [...this.gazes].map((gaze) => gaze()); }

  private nextPage() {
    const rows = this.coming ?? this.rows, wanted = this.wantedRanges().flatMap((range) => rows.blocksOf(range));
    const block = wanted.find((number) => !rows.has(number) && !this.flying.has(number));
    if (block === undefined || this.dead) return null;
    this.flying.add(block);
    return () => this.fetchPage(rows, block);
  }

  /** The rows to know, the most urgent first: of another list its beginning, else what is looked at, and what the editor is about. */
  private wantedRanges(): Range[] {
    if (this.coming) return [{ start: 0, stop: 1 }];
    const gazes = this.looked(), { index } = this.repair, edited = index === null ? [] : [{ start: index, stop: index + 1 }];
    return [...edited, ...gazes.map(({ seen }) => seen), ...gazes.map(({ ahead }) => ahead)];
  }

  private async fetchPage(rows: Rows, block: number) {
    const { key } = rows, start = block * BLOCK, isCurrent = () => rows === this.rows || rows === this.coming;
    try {
      const { result } = await this.transport.request("page", { key, start, stop: Math.min(rows.count, start + BLOCK) });
      if (!isCurrent() || result.key !== key) return;
      rows.take(block, result.rows);
      if (rows === this.coming) [this.rows, this.coming] = [rows, null];
      this.flying.delete(block);
    } catch (error) {
      if (isCurrent() && !this.dead) this.trouble = { kind: "error", text: (error as Error).message }; // and it is not asked for again and again
    }
  }

  private nextThumbs() {
    if (this.dead) return null;
    const gazes = this.looked(), size = Math.max(0, ...gazes.map((gaze) => gaze.size));
    for (const which of ["seen", "ahead"] as const) { // in requests of their own: what is in sight need not wait for the rest
      const wanted = this.thumbs.next(gazes.flatMap((gaze) => this.idsOf(gaze[which])), size, this.quick ? MANY : FEW);
      if (wanted.length) return () => this.fetchThumbs(wanted, size);
    }
    return null;
  }

  private idsOf({ start, stop }: Range): number[] {
    const ids: number[] = [];
    for (let index = start; index < stop; index++) {
      const row = this.rows.at(index);
      if (row) ids.push(row.id);
    }
    return ids;
  }

  private async fetchThumbs(ids: number[], size: number) {
    const since = performance.now();
    try {
      const { result, buffers } = await this.transport.request("thumbs", { ids, size });
      this.thumbs.take(result.thumbs, size, buffers);
      this.quick = performance.now() - since < QUICK_MS;
    } catch (error) {
      if (!this.dead) this.thumbs.fail(ids, size, (error as Error).message);
    } finally {
      this.thumbs.land(ids);
    }
  }

  private nextHeat() {
    const id = this.dead ? undefined : this.heats.next(this.looked().flatMap(({ hot }) => hot));
    return id === undefined ? null : () => this.fetchHeat(id);
  }

  private async fetchHeat(id: number) {
    try {
      const { result, buffers } = await this.transport.request("heat", { instance: id });
      await this.heats.take(id, result?.name ?? "", result ? buffers[0] : undefined);
    } catch {
      await this.heats.take(id, "", undefined); // the tile's own picture says what is wrong with it
    } finally {
      this.heats.land(id);
    }
  }

  private hear(result: any) {
    if (this.dead) this.trouble = null; // it lives
    for (const [id, row] of Object.entries<Row>(result?.replaced ?? {})) this.rows.replace(Number(id), row);
    if (Array.isArray(result?.changed)) for (const row of result.changed as Row[]) this.change(row);
    if (result?.progress) this.progress = result.progress;
    this.emitSoon();
  }

  private change(row: Row) {
    this.rows.update(row);
    this.thumbs.outdate(row.id);
    this.heats.forget(row.id);
  }

  private onSlow(slow: boolean) {
    if (slow ? this.trouble : this.trouble?.kind !== "slow") return;
    this.trouble = slow ? { kind: "slow", text: SLOW } : null;
    this.emit();
  }

  /** The host says that the connection changed, not how: whoever is alive answers at once. */
  private async onLiveUpdate() {
    const timer = setTimeout(() => this.die(), ANSWERS_WITHIN);
    await this.transport.request("page", { key: this.rows.key, start: 0, stop: 0 }).then(() => clearTimeout(timer), () => this.die());
  }

  private die() {
    this.trouble = { kind: "dead", text: DEAD };
    this.transport.fail(DEAD);
    this.emit();
  }
}
