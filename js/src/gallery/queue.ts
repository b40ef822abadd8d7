/** The browser's copy of the list in Python: rows, pictures and pending decisions. One per model, shared by all its views. */
import { type Fields, Kernel, Listeners, type Offer, RequestPool, reportRevision } from "../kernel";
import { EditorState } from "./editor_state";
import { Heatmaps, type ThumbnailReply, Thumbnails } from "./pictures";
import { BLOCK_SIZE, type Range, type Row, Rows, type Status } from "./rows";
import type { AttributeValue, Choices, GalleryModel, GalleryTraits, Progress } from "./traits";

/** The needs of a view: visible rows, rows to prefetch, pixels of a thumbnail, and ids of the instances that show a heatmap. */
export interface Viewport {
  visible: Range;
  prefetched: Range;
  thumbnailSize: number; // device pixels
  heatmaps: number[];
}

const WATCHED_TRAITS = [
  "order_by",
  "status",
  "filter_labels",
  "tag",
  "text",
  "min_score",
  "max_score",
  "min_confidence",
  "max_confidence",
  "attributes",
  "only",
  "without_objects",
  "tile",
  "opacity",
  "view_only",
  "shortcuts",
  "height",
  "selected",
  "_choices",
  "_editor",
  "_notice",
] satisfies (keyof GalleryTraits)[];
const STATUS_MESSAGES: Record<Status, string> = {
  new: "Marked as new",
  accepted: "Accepted",
  rejected: "Rejected",
  skipped: "Skipped",
};
const MAX_ROWS_PER_REQUEST = 1_000;
const FEW_THUMBNAILS = 12; // per request while they arrive slowly, so that the first are seen early
const MANY_THUMBNAILS = 32; // per request while they arrive at once
const FAST_REPLY_MS = 300;

interface PageReply {
  key: number;
  rows: Row[];
}
interface MoreChoices {
  attributes: Record<string, AttributeValue[]>;
  without_objects: number;
}
interface Received {
  replaced?: Record<string, Row>;
  changed?: Row[] | number;
  progress?: Progress;
}

export class Queue {
  rows: Rows;
  readonly thumbnails = new Thumbnails();
  readonly heatmaps = new Heatmaps();
  readonly kernel: Kernel;
  readonly editor: EditorState;
  hasFastPictures = false; // pictures arrive at once, so that it pays to request many of them far ahead
  message = ""; // the effect of the last decision
  attributes: Record<string, AttributeValue[]> = {}; // the values of each attribute in the catalogue
  withoutObjects = 0; // number of images without objects
  progress: Progress;
  private nextRows: Rows | null = null; // rows of another query, shown once the first of them have arrived
  private readonly pendingStatuses = new Map<number, { status: Status }>(); // not confirmed by Python yet
  private readonly listeners = new Listeners(() => this.fetch());
  private readonly viewports = new Set<() => Viewport>();
  private readonly blocksInFlight = new Set<number>();
  private readonly pools: RequestPool[];

  constructor(readonly model: GalleryModel) {
    const { notifySoon } = this.listeners;
    this.kernel = new Kernel(model, {
      probe: () => ({ op: "page", fields: { key: this.rows.key, start: 0, stop: 0 } }),
      changed: notifySoon,
      received: (result) => this.receive(result as Received | null),
    });
    this.pools = [
      new RequestPool(() => this.nextPage(), notifySoon),
      new RequestPool(() => this.nextThumbnails(), notifySoon),
      new RequestPool(() => this.nextHeatmap(), notifySoon),
    ];
    this.editor = new EditorState(this);
    this.progress = model.get("_progress");
    this.rows = this.emptyRows();
    for (const trait of WATCHED_TRAITS) model.on(`change:${trait}`, this.notify);
    model.on("change:_progress", () => this.onProgress());
    model.on("change:_query", () => this.onQuery());
    this.onQuery();
    void this.loadMoreChoices();
  }

  get isLost() {
    return this.kernel.isLost;
  }
  get isEditable() {
    return !this.isLost && !this.model.get("view_only");
  }
  get isBusy() {
    return this.kernel.isBusy || this.pools.some((pool) => pool.isBusy);
  }
  /** Whether the rows of another query are being loaded. */
  get isWaiting() {
    return this.nextRows !== null;
  }
  get selected(): number[] {
    return this.model.get("selected");
  }
  get choices(): Choices {
    return this.model.get("_choices");
  }

  /** The status of a row, including a pending one. */
  statusOf(row: Row): Status {
    return this.pendingStatuses.get(row.id)?.status ?? row.status;
  }

  positionOf(id: number): number | undefined {
    return this.rows.positionOf(id);
  }

  /** Call `listener` after every change and fetch the needs of `viewport` until `signal` is aborted. */
  watch(listener: () => void, viewport: () => Viewport, signal: AbortSignal) {
    this.listeners.add(listener, signal);
    this.viewports.add(viewport);
    signal.addEventListener("abort", () => this.viewports.delete(viewport));
  }

  /** Fetch the rows and pictures that the views need now. */
  fetch() {
    if (!this.isLost) for (const pool of this.pools) pool.fill();
  }

  set(traits: Partial<GalleryTraits>) {
    for (const [trait, value] of Object.entries(traits)) this.model.set(trait as keyof GalleryTraits, value as never);
    this.model.save_changes();
    this.notify();
  }

  select(ids: number[]) {
    this.set({ selected: ids });
  }

  /** Set the status of instances. It is displayed at once; if saving fails, the old one returns and the error is shown. */
  async setStatus(ids: number[], status: Status) {
    const pending = { status };
    for (const id of ids) this.pendingStatuses.set(id, pending);
    const count = ids.length > 1 ? `: ${ids.length.toLocaleString("en")}` : "";
    this.showMessage(STATUS_MESSAGES[status] + count);
    const reply = await this.run("status", { ids, status });
    if (!reply) this.showMessage("");
    for (const id of ids.filter((one) => this.pendingStatuses.get(one) === pending)) {
      const row = this.rows.find(id);
      if (reply && row) this.rows.update({ ...row, status });
      this.pendingStatuses.delete(id);
    }
    this.notify();
  }

  /** Set the label of instances. */
  async setLabel(ids: number[], label: string) {
    const reply = await this.run<{ changed: number }>("label", { ids, label });
    if (reply) this.showMessage(`Labeled ${label || "without a class"}: ${reply.result.changed.toLocaleString("en")}`);
  }

  /** Set an attribute of instances; null removes it. */
  async setAttribute(ids: number[], name: string, value: AttributeValue | null) {
    const reply = await this.run<{ changed: number }>("attribute", { ids, name, value });
    if (!reply) return;
    const known = Object.hasOwn(this.attributes, name) ? this.attributes[name] : [];
    if (value !== null && !known.includes(value)) this.attributes = { ...this.attributes, [name]: [...known, value] };
    const done = value === null ? `Removed ${name}` : `Set ${name} to ${value}`;
    this.showMessage(`${done}: ${reply.result.changed.toLocaleString("en")}`);
  }

  /** Add a tag to the images of instances. */
  async addTag(ids: number[], tag: string) {
    const reply = await this.run("add_tag", { ids, tag });
    if (reply) this.showMessage(`Tagged ${tag}`);
  }

  /** Query the list again, with the choices that others may have added since. */
  async refresh() {
    if (await this.run("refresh")) await this.loadMoreChoices();
  }

  /** Read the attributes and count the images without objects, which takes seconds if there are a million instances. */
  async loadMoreChoices() {
    const reply = await this.kernel.request<MoreChoices>("more_choices").catch(() => null);
    if (reply) {
      this.attributes = reply.result.attributes;
      this.withoutObjects = reply.result.without_objects;
    }
    this.notify();
  }

  /** Undo the last decision. Returns the ids of its instances, null if there is none. */
  async undo(): Promise<number[] | null> {
    const reply = await this.run<{ undone: { ids: number[] } | null }>("undo");
    if (!reply) return null;
    const ids = reply.result.undone?.ids ?? null;
    const count = ids && ids.length > 1 ? `: ${ids.length.toLocaleString("en")}` : "";
    this.showMessage(ids ? `Undone${count}` : "There is nothing to undo");
    return ids;
  }

  /** Return the ids of a range of rows, also of rows that are not loaded; null if it fails. */
  async idsOf({ start, stop }: Range): Promise<number[] | null> {
    const { rows } = this;
    const ids: number[] = [];
    for (let index = start; index < stop; ) {
      const row = rows.at(index);
      if (row) {
        ids.push(row.id);
        index++;
        continue;
      }
      const end = Math.min(stop, index + MAX_ROWS_PER_REQUEST);
      const reply = await this.run<PageReply>("page", { key: rows.key, start: index, stop: end });
      if (!reply || rows !== this.rows) return null;
      ids.push(...reply.result.rows.map(({ id }) => id));
      index = end;
    }
    return ids;
  }

  showMessage(text: string) {
    this.message = text;
    this.notify();
  }

  /** Run a command of the user. An error is shown, and the result is null then; `offer` gives the way out of an exception. */
  run<Result = unknown>(op: string, fields: Fields = {}, offer?: (kind: string) => Offer | undefined) {
    return this.kernel.run<Result>(op, fields, { offer });
  }

  close() {
    this.kernel.close();
    this.heatmaps.clear();
    this.listeners.clear();
    this.viewports.clear();
  }

  readonly notify = () => this.listeners.notify();

  private emptyRows(): Rows {
    const { key = -1, count = 0 } = this.model.get("_query");
    return new Rows(key, count);
  }

  private onQuery() {
    const { error } = this.model.get("_query");
    const rows = this.emptyRows();
    const isShown = this.rows.blocksOf({ start: 0, stop: BLOCK_SIZE }).some((block) => this.rows.has(block));
    this.thumbnails.dropErrors();
    this.heatmaps.clear(); // the masks may have been scored again
    this.nextRows = isShown && rows.count > 0 && rows.key !== this.rows.key ? rows : null;
    if (!this.nextRows) this.rows = rows;
    this.blocksInFlight.clear();
    if (error) this.kernel.showError(error);
    this.notify();
  }

  private onProgress() {
    this.progress = this.model.get("_progress");
    this.notify();
  }

  private currentViewports(): Viewport[] {
    return [...this.viewports].map((viewport) => viewport());
  }

  private nextPage() {
    const rows = this.nextRows ?? this.rows;
    const blocks = this.neededRanges().flatMap((range) => rows.blocksOf(range));
    const block = blocks.find((number) => !rows.has(number) && !this.blocksInFlight.has(number));
    if (block === undefined || this.isLost) return null;
    this.blocksInFlight.add(block);
    return () => this.fetchPage(rows, block);
  }

  /** The rows to load, the most urgent first: the start of another list, else the row in the editor and the views' rows. */
  private neededRanges(): Range[] {
    if (this.nextRows) return [{ start: 0, stop: 1 }];
    const viewports = this.currentViewports();
    const { index } = this.editor;
    const edited = index === null ? [] : [{ start: index, stop: index + 1 }];
    return [...edited, ...viewports.map(({ visible }) => visible), ...viewports.map(({ prefetched }) => prefetched)];
  }

  private async fetchPage(rows: Rows, block: number) {
    const { key } = rows;
    const start = block * BLOCK_SIZE;
    const stop = Math.min(rows.count, start + BLOCK_SIZE);
    const isCurrent = () => rows === this.rows || rows === this.nextRows;
    try {
      const { result } = await this.kernel.request<PageReply>("page", { key, start, stop });
      if (!isCurrent() || result.key !== key) return;
      rows.add(block, result.rows);
      if (rows === this.nextRows) {
        this.rows = rows;
        this.nextRows = null;
      }
      this.blocksInFlight.delete(block);
    } catch (error) {
      if (isCurrent()) this.kernel.reportError(error as Error); // the block stays in flight, so that it is not requested again
    }
  }

  /** Visible thumbnails have separate requests, so that they need not wait for the prefetched ones. */
  private nextThumbnails() {
    if (this.isLost) return null;
    const viewports = this.currentViewports();
    const size = Math.max(0, ...viewports.map(({ thumbnailSize }) => thumbnailSize));
    const limit = this.hasFastPictures ? MANY_THUMBNAILS : FEW_THUMBNAILS;
    for (const part of ["visible", "prefetched"] as const) {
      const rows = viewports.flatMap((viewport) => this.loadedRowsOf(viewport[part]));
      const needed = this.thumbnails.next(rows, size, limit);
      if (needed.length) return () => this.fetchThumbnails(needed, size);
    }
    return null;
  }

  private loadedRowsOf({ start, stop }: Range): Row[] {
    const rows: Row[] = [];
    for (let index = start; index < stop; index++) {
      const row = this.rows.at(index);
      if (row) rows.push(row);
    }
    return rows;
  }

  private async fetchThumbnails(ids: number[], size: number) {
    const since = performance.now();
    try {
      const { result, buffers } = await this.kernel.request<{ thumbs: ThumbnailReply[] }>("thumbs", { ids, size });
      this.thumbnails.add(result.thumbs, size, buffers);
      this.hasFastPictures = performance.now() - since < FAST_REPLY_MS;
    } catch (error) {
      if (!this.isLost) this.thumbnails.addError(ids, size, (error as Error).message);
    } finally {
      this.thumbnails.settle(ids);
    }
  }

  private nextHeatmap() {
    const id = this.isLost
      ? undefined
      : this.heatmaps.next(this.currentViewports().flatMap(({ heatmaps }) => heatmaps));
    return id === undefined ? null : () => this.fetchHeatmap(id);
  }

  private async fetchHeatmap(id: number) {
    try {
      const { result, buffers } = await this.kernel.request<{ name: string } | null>("heat", { instance: id });
      await this.heatmaps.add(id, result?.name ?? "", result ? buffers[0] : undefined);
    } catch {
      await this.heatmaps.add(id, "", undefined); // the thumbnail of the instance shows the error
    } finally {
      this.heatmaps.settle(id);
    }
  }

  private receive(result: Received | null) {
    for (const [id, row] of Object.entries(result?.replaced ?? {})) this.rows.replace(Number(id), row);
    if (Array.isArray(result?.changed)) for (const row of result.changed) this.onRowChange(row);
    if (result?.progress) this.progress = result.progress;
    if (result?.changed || result?.replaced) reportRevision(this.model, this.model.get("revision") + 1);
    this.listeners.notifySoon();
  }

  private onRowChange(row: Row) {
    this.rows.update(row);
    this.thumbnails.dropErrors([row.id]);
    this.heatmaps.drop(row.id);
  }
}
