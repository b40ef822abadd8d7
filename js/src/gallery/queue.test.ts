import { beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../transport";
import { Queue, type Gaze } from "./queue";
import { BLOCK, type Row, type Status } from "./rows";

vi.stubGlobal("createImageBitmap", async () => ({ width: 4, height: 4, close() {} }));
vi.stubGlobal("OffscreenCanvas", class {
  width = 4;
  height = 4;
  getContext() { return { drawImage() {}, putImageData() {}, createImageData: () => ({ data: new Uint8ClampedArray(64) }), getImageData: () => ({ data: new Uint8ClampedArray(64) }) }; }
});

class FakeModel implements Model {
  sent: any[] = [];
  traits: Record<string, any> = {
    _query: { key: 1, count: 1000, error: "" }, _progress: { done: 0, total: 1000, per_hour: null, by_status: {} },
    _choices: { statuses: [], labels: [], tags: [], scores: [] }, _editor: null, selected: [], view_only: false,
  };
  callbacks: [string, (...args: any[]) => void][] = [];
  get(name: string) { return this.traits[name]; }
  set(name: string, value: unknown) { this.traits[name] = value; }
  save_changes() {}
  send(content: unknown) { this.sent.push(content); }
  on(event: string, callback: any) { this.callbacks.push([event, callback]); }
  off(event: string, callback: any) { this.callbacks = this.callbacks.filter((one) => one[0] !== event || one[1] !== callback); }
  fire(event: string, ...args: any[]) { this.callbacks.filter(([name]) => name === event).forEach(([, callback]) => callback(...args)); }
  /** Set a trait as Python does. */
  change(name: string, value: unknown) {
    this.traits[name] = value;
    this.fire(`change:${name}`);
  }
  asked(op: string) { return this.sent.filter((request) => request.op === op); }
  /** Answer the oldest unanswered request of an op. */
  async answer(op: string, message: object, buffers: number[][] = []) {
    const at = this.sent.findIndex((request) => request.op === op), [request] = this.sent.splice(at, 1);
    await this.tell({ id: request.id, ok: true, ...message }, buffers);
    return request;
  }
  async tell(message: object, buffers: number[][] = []) {
    this.fire("msg:custom", message, buffers.map((bytes) => new DataView(Uint8Array.from(bytes).buffer)));
    await new Promise((resolve) => setTimeout(resolve));
  }
  /** Answer the oldest request for a page with rows whose ids are their places and 1. */
  async page(change: Partial<Row> = {}) {
    const { key, start, stop } = this.asked("page")[0];
    await this.answer("page", { result: { key, start, rows: Array.from({ length: stop - start }, (_, i) => row(start + i + 1, change)) } });
  }
}

const row = (id: number, change: Partial<Row> = {}): Row =>
  ({ id, item: id, number: 1, label: "cup", status: "new", score: 0.5, name: "a.jpg", chips: [], ...change });

let model: FakeModel, queue: Queue, gaze: Gaze, stop: AbortController;
beforeEach(async () => {
  model = new FakeModel();
  queue = new Queue(model);
  gaze = { seen: { start: 0, stop: 10 }, ahead: { start: 0, stop: 40 }, size: 64, hot: [] };
  stop = new AbortController();
  queue.watch(() => {}, () => gaze, stop.signal);
  queue.look();
  await model.page();
});

const status = (id: number): Status => queue.statusOf(queue.rows.find(id)!);
const thumbs = (ids: number[]) => ({ result: { thumbs: ids.map((id) => ({ id, width: 4, height: 4, error: null })) } });
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const files = (count: number) => Array.from({ length: count }, () => ["data:,", "M0 0L1 0L1 1Z"].map((text) => [...new TextEncoder().encode(text)])).flat();

test("rows in sight are asked for, then their pictures, then those ahead, at most two requests at a time", async () => {
  expect(queue.rows.at(3)?.id).toBe(4);
  expect(model.asked("thumbs").map(({ ids }) => ids)).toEqual([range(1, 10), range(11, 22)]);
  await model.answer("thumbs", thumbs([1, 2]), files(2));
  expect(queue.thumbs.get(1)).toMatchObject({ url: "data:,", outline: "M0 0L1 0L1 1Z" });
  expect(queue.thumbs.get(3)).toBeUndefined();
});

test("where pictures come at once, more of them are asked for", async () => {
  let now = performance.now();
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  gaze = { ...gaze, ahead: { start: 0, stop: 120 } };
  const next = async (took: number) => {
    now += took;
    const { ids } = model.asked("thumbs")[0];
    await model.answer("thumbs", thumbs(ids), files(ids.length));
    return model.asked("thumbs").at(-1).ids.length;
  };
  expect([await next(0), await next(90), await next(1000)]).toEqual([32, 32, 12]);
  clock.mockRestore();
});

test("what has scrolled away is never asked for", async () => {
  for (const start of [3000, 5000, 700]) {
    gaze = { ...gaze, seen: { start, stop: start + 10 }, ahead: { start, stop: start + 10 } };
    model.change("_query", { key: 1, count: 100_000, error: "" });
  }
  const asked = () => model.asked("page").map(({ start }) => start);
  expect(asked()).toEqual([3000, 4920]);
  await model.page();
  expect(asked().at(-1)).toBe(Math.floor(700 / BLOCK) * BLOCK);
});

test("an error is a tile with a reason, and is not asked for again and again", async () => {
  await model.answer("thumbs", { result: { thumbs: [{ id: 1, width: 0, height: 0, error: "there is no file a.jpg" }] } });
  await model.answer("thumbs", { ok: false, error: "OSError: disk" });
  expect(queue.thumbs.get(1)).toMatchObject({ url: "", error: "there is no file a.jpg" });
  expect(queue.thumbs.get(11)?.error).toBe("OSError: disk");
  const again = model.asked("thumbs").flatMap(({ ids }) => ids);
  expect(again.includes(1) || again.includes(11)).toBe(false);
  expect(queue.trouble).toBeNull();
});

test("a verdict is seen at once, and stays when Python has kept it", async () => {
  void queue.judge([1, 2], "accepted");
  expect([status(1), status(2), status(3)]).toEqual(["accepted", "accepted", "new"]);
  expect(queue.said).toBe("Accepted: 2");
  await model.answer("status", { result: { changed: 2 } });
  expect([status(1), queue.rows.find(1)?.status]).toEqual(["accepted", "accepted"]);
});

test("a verdict that cannot be kept is taken back, and the reason is shown", async () => {
  void queue.judge([1], "rejected");
  await model.answer("status", { ok: false, error: "the disk is full" });
  expect([status(1), queue.trouble?.text, queue.said]).toEqual(["new", "the disk is full", ""]);
  void queue.judge([1], "rejected");
  expect(queue.trouble).toBeNull();
});

test("the newer of two verdicts on one instance counts, whatever becomes of the older one", async () => {
  void queue.judge([1], "rejected");
  void queue.judge([1], "accepted");
  await model.answer("status", { ok: false, error: "no" });
  expect(status(1)).toBe("accepted");
  await model.answer("status", { result: { changed: 1 } });
  expect(status(1)).toBe("accepted");
});

test("what Python, another page or an undo has changed is taken over, with a new picture", async () => {
  await model.answer("thumbs", thumbs([1]), files(1));
  const { url } = queue.thumbs.get(1)!;
  await model.tell({ id: null, ok: true, result: { changed: [row(1, { status: "skipped", label: "cat" })], progress: { done: 1, total: 2, per_hour: 60, by_status: {} } } });
  expect(queue.rows.find(1)).toMatchObject({ status: "skipped", label: "cat" });
  expect(queue.progress.done).toBe(1);
  expect(queue.thumbs.get(1)).toMatchObject({ url, stale: true }); // shown until the new one is here
});

test("undo says what it was about", async () => {
  const undone = queue.undo();
  await model.answer("undo", { result: { undone: { ids: [3, 4], status: "accepted" } } });
  expect([await undone, queue.said]).toEqual([[3, 4], "Undone: 2"]);
  const nothing = queue.undo();
  await model.answer("undo", { result: { undone: null } });
  expect([await nothing, queue.said]).toEqual([null, "There is nothing to undo"]);
});

test("another list is shown once its first rows are here, and answers of the one before are dropped", async () => {
  const late = { ...model.sent.find(({ op }) => op === "page") };
  model.change("_query", { key: 2, count: 5, error: "" });
  expect([queue.waiting, queue.rows.key]).toEqual([true, 1]);
  await model.page({ label: "cat" });
  expect([queue.waiting, queue.rows.key, queue.rows.count, queue.rows.at(0)?.label]).toEqual([false, 2, 5, "cat"]);
  expect(late.op).toBeUndefined();
  model.change("_query", { key: 3, count: 0, error: "" });
  expect([queue.waiting, queue.rows.count]).toEqual([false, 0]);
});

test("a filter that cannot be answered says why", () => {
  model.change("_query", { key: 1, count: 1000, error: "there is no score 'edge'" });
  expect(queue.trouble?.text).toBe("there is no score 'edge'");
});

test("all ids of a range, also of rows that were never seen", async () => {
  const ids = queue.ids({ start: BLOCK - 2, stop: BLOCK + 3 });
  await new Promise((resolve) => setTimeout(resolve));
  expect(model.asked("page").at(-1)).toMatchObject({ start: BLOCK, stop: BLOCK + 3 });
  await model.page();
  expect(await ids).toEqual([BLOCK - 1, BLOCK, BLOCK + 1, BLOCK + 2, BLOCK + 3]);
});

test("a kernel that is gone is said to be gone, and nothing is asked of it any more", async () => {
  vi.useFakeTimers();
  model.fire("comm_live_update");
  await vi.advanceTimersByTimeAsync(1_000);
  vi.useRealTimers();
  expect([queue.trouble?.kind, queue.editable, queue.dead]).toEqual(["dead", false, true]);
  const { length } = model.sent;
  gaze = { ...gaze, seen: { start: 500, stop: 510 } };
  queue.look();
  expect([await queue.send("undo"), model.sent.length]).toEqual([null, length]);
  expect(queue.thumbs.get(1)).toBeUndefined(); // no error of its own on every tile
});

test("the editor is opened on an instance, and goes on to the next after a verdict", async () => {
  void queue.repair.edit(4);
  expect(queue.repair.opening).toBe(4);
  await model.answer("edit", { result: { id: 4 } });
  expect([queue.repair.open, queue.repair.index, queue.repair.opening]).toEqual([4, 3, null]);
  void queue.repair.decide("accept");
  void queue.repair.decide("accept"); // an impatient key
  expect(model.asked("accept").length).toBe(1);
  await model.answer("accept", { result: { id: 6 } });
  expect(queue.repair.open).toBe(6);
  void queue.repair.decide("reject");
  await model.answer("reject", { ok: false, error: "somebody else has changed it; the edits are still here" });
  expect([queue.repair.open, queue.trouble?.text]).toEqual([6, "somebody else has changed it; the edits are still here"]);
  expect(queue.trouble?.offer).toBeUndefined();
  void queue.repair.decide("reject");
  await model.answer("reject", { ok: false, error: "somebody else has changed it", kind: "Conflict" });
  expect(queue.trouble?.kind === "error" && queue.trouble.offer?.text).toBe("Write mine over theirs");
  queue.trouble?.offer?.run();
  expect(await model.answer("reject", { result: { id: 6 } })).toMatchObject({ overwrite: true });
  expect(queue.trouble).toBeNull();
  void queue.repair.decide("skip");
  expect(await model.answer("skip", { result: { id: null } })).toMatchObject({ overwrite: false });
  expect([queue.repair.open, queue.said]).toEqual([null, "Skipped. That was the last new one."]);
});

test("a view that is gone is neither told nor served", async () => {
  stop.abort();
  model.sent = [];
  queue.look();
  queue.emit();
  expect(model.sent).toEqual([]);
  queue.close();
  await model.tell({ id: null, ok: true, result: { changed: [row(1, { status: "skipped" })] } });
  expect(status(1)).toBe("new");
});
