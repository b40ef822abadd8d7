import { beforeEach, expect, test, vi } from "vitest";
import { Queue, type Viewport } from "./queue";
import { BLOCK_SIZE, type Row, type Status } from "./rows";
import type { GalleryModel } from "./traits";

vi.stubGlobal("createImageBitmap", async () => ({ width: 4, height: 4, close() {} }));
vi.stubGlobal(
  "OffscreenCanvas",
  class {
    width = 4;
    height = 4;
    getContext() {
      return {
        drawImage() {},
        putImageData() {},
        createImageData: () => ({ data: new Uint8ClampedArray(64) }),
        getImageData: () => ({ data: new Uint8ClampedArray(64) }),
      };
    }
  },
);

class FakeModel {
  sent: any[] = [];
  traits: Record<string, any> = {
    _query: { key: 1, count: 1000, error: "" },
    _progress: { done: 0, total: 1000, per_hour: null, by_status: {} },
    _choices: { statuses: [], labels: [], tags: [], scores: [] },
    _editor: null,
    selected: [],
    view_only: false,
  };
  callbacks: [string, (...args: any[]) => void][] = [];
  get(name: string) {
    return this.traits[name];
  }
  set(name: string, value: unknown) {
    this.traits[name] = value;
  }
  save_changes() {}
  send(content: unknown) {
    this.sent.push(content);
  }
  on(event: string, callback: any) {
    this.callbacks.push([event, callback]);
  }
  off(event: string, callback: any) {
    this.callbacks = this.callbacks.filter((one) => one[0] !== event || one[1] !== callback);
  }
  fire(event: string, ...args: any[]) {
    for (const [name, callback] of this.callbacks) if (name === event) callback(...args);
  }
  /** Set a trait as Python does. */
  change(name: string, value: unknown) {
    this.traits[name] = value;
    this.fire(`change:${name}`);
  }
  requested(op: string) {
    return this.sent.filter((request) => request.op === op);
  }
  /** Answer the oldest unanswered request of an op. */
  async answer(op: string, message: object, buffers: number[][] = []) {
    const at = this.sent.findIndex((request) => request.op === op);
    const [request] = this.sent.splice(at, 1);
    await this.receive({ id: request.id, ok: true, ...message }, buffers);
    return request;
  }
  async receive(message: object, buffers: number[][] = []) {
    this.fire(
      "msg:custom",
      message,
      buffers.map((bytes) => new DataView(Uint8Array.from(bytes).buffer)),
    );
    await new Promise((resolve) => setTimeout(resolve));
  }
  /** Answer the oldest request for a page with rows whose ids are their indices plus 1. */
  async page(change: Partial<Row> = {}) {
    const { key, start, stop } = this.requested("page")[0];
    await this.answer("page", {
      result: { key, start, rows: Array.from({ length: stop - start }, (_, i) => row(start + i + 1, change)) },
    });
  }
}

const row = (id: number, change: Partial<Row> = {}): Row => ({
  id,
  item: id,
  drawn: 0,
  number: 1,
  label: "cup",
  status: "new",
  score: 0.5,
  confidence: null,
  objects: null,
  name: "a.jpg",
  chips: [],
  ...change,
});

let model: FakeModel;
let queue: Queue;
let viewport: Viewport;
let stop: AbortController;
beforeEach(async () => {
  model = new FakeModel();
  queue = new Queue(model as GalleryModel);
  viewport = { visible: { start: 0, stop: 10 }, prefetched: { start: 0, stop: 40 }, thumbnailSize: 64, heatmaps: [] };
  stop = new AbortController();
  queue.watch(
    () => {},
    () => viewport,
    stop.signal,
  );
  queue.fetch();
  await model.page();
});

const status = (id: number): Status => queue.statusOf(queue.rows.find(id)!);
const thumbs = (ids: number[], drawn = 0) => ({
  result: { thumbs: ids.map((id) => ({ id, drawn, width: 4, height: 4, error: null })) },
});
/** Answer all requests for pictures. Returns the requested ids. */
const loadPictures = async () => {
  const loaded: number[] = [];
  while (model.requested("thumbs").length) {
    const [{ ids }] = model.requested("thumbs");
    loaded.push(...ids);
    const drawn = ids.map((id: number) => queue.rows.find(id)!.drawn);
    await model.answer(
      "thumbs",
      { result: { thumbs: ids.flatMap((id: number, i: number) => thumbs([id], drawn[i]).result.thumbs) } },
      files(ids.length),
    );
  }
  return loaded;
};
const range = (first: number, last: number) => Array.from({ length: last - first + 1 }, (_, i) => first + i);
const files = (count: number) =>
  Array.from({ length: count }, () =>
    ["data:,", "M0 0L1 0L1 1Z"].map((text) => [...new TextEncoder().encode(text)]),
  ).flat();

test("visible rows are requested first, then their pictures, then prefetched ones, two requests at a time", async () => {
  expect(queue.rows.at(3)?.id).toBe(4);
  expect(model.requested("thumbs").map(({ ids }) => ids)).toEqual([range(1, 10), range(11, 22)]);
  await model.answer("thumbs", thumbs([1, 2]), files(2));
  expect(queue.thumbnails.get(1)).toMatchObject({ url: "data:,", outline: "M0 0L1 0L1 1Z" });
  expect(queue.thumbnails.get(3)).toBeUndefined();
});

test("fast pictures are requested in larger numbers", async () => {
  let now = performance.now();
  const clock = vi.spyOn(performance, "now").mockImplementation(() => now);
  viewport = { ...viewport, prefetched: { start: 0, stop: 120 } };
  const next = async (took: number) => {
    now += took;
    const { ids } = model.requested("thumbs")[0];
    await model.answer("thumbs", thumbs(ids), files(ids.length));
    return model.requested("thumbs").at(-1).ids.length;
  };
  expect([await next(0), await next(90), await next(1000)]).toEqual([32, 32, 12]);
  clock.mockRestore();
});

test("rows that have scrolled out of view are not requested", async () => {
  for (const start of [3000, 5000, 700]) {
    viewport = { ...viewport, visible: { start, stop: start + 10 }, prefetched: { start, stop: start + 10 } };
    model.change("_query", { key: 1, count: 100_000, error: "" });
  }
  const requested = () => model.requested("page").map(({ start }) => start);
  expect(requested()).toEqual([3000, 4920]);
  await model.page();
  expect(requested().at(-1)).toBe(Math.floor(700 / BLOCK_SIZE) * BLOCK_SIZE);
});

test("an error is shown on its tile and not requested again", async () => {
  await model.answer("thumbs", {
    result: { thumbs: [{ id: 1, drawn: 0, width: 0, height: 0, error: "there is no file a.jpg" }] },
  });
  await model.answer("thumbs", { ok: false, error: "OSError: disk" });
  expect(queue.thumbnails.get(1)).toMatchObject({ url: "", error: "there is no file a.jpg" });
  expect(queue.thumbnails.get(11)?.error).toBe("OSError: disk");
  const again = model.requested("thumbs").flatMap(({ ids }) => ids);
  expect(again.includes(1) || again.includes(11)).toBe(false);
  expect(queue.kernel.notice).toBeNull();
});

test("a decision is shown at once and stays after Python has saved it", async () => {
  void queue.setStatus([1, 2], "accepted");
  expect([status(1), status(2), status(3)]).toEqual(["accepted", "accepted", "new"]);
  expect(queue.message).toBe("Accepted: 2");
  await model.answer("status", { result: { changed: 2 } });
  expect([status(1), queue.rows.find(1)?.status]).toEqual(["accepted", "accepted"]);
});

test("a decision that cannot be saved is reverted, and the error is shown", async () => {
  void queue.setStatus([1], "rejected");
  await model.answer("status", { ok: false, error: "the disk is full" });
  expect([status(1), queue.kernel.notice?.text, queue.message]).toEqual(["new", "the disk is full", ""]);
  void queue.setStatus([1], "rejected");
  expect(queue.kernel.notice).toBeNull();
});

test("the newer of two decisions counts, even if the older one fails", async () => {
  void queue.setStatus([1], "rejected");
  void queue.setStatus([1], "accepted");
  await model.answer("status", { ok: false, error: "no" });
  expect(status(1)).toBe("accepted");
  await model.answer("status", { result: { changed: 1 } });
  expect(status(1)).toBe("accepted");
});

test("changes by Python, another page or undo are applied and reload a changed picture", async () => {
  await loadPictures();
  const { url } = queue.thumbnails.get(1)!;
  await model.receive({
    id: null,
    ok: true,
    result: {
      changed: [row(1, { status: "skipped", label: "cat", drawn: 1 }), row(2, { status: "accepted" })],
      progress: { done: 1, total: 2, per_hour: 60, by_status: {} },
    },
  });
  expect(queue.rows.find(1)).toMatchObject({ status: "skipped", label: "cat" });
  expect(queue.progress.done).toBe(1);
  expect(queue.thumbnails.get(1)).toMatchObject({ url, drawn: 0 }); // shown until the new one is here
  expect(await loadPictures()).toEqual([1]); // a decision alone changes no picture
});

test("a new list reloads only the pictures that have changed, and retries those with an error", async () => {
  await model.answer("thumbs", {
    result: { thumbs: [{ id: 5, drawn: 0, width: 0, height: 0, error: "there is no file" }] },
  });
  await loadPictures();
  model.change("_query", { key: 2, count: 6, error: "" });
  await model.answer("page", {
    result: { key: 2, start: 0, rows: range(1, 6).map((id) => row(id, { drawn: id === 2 ? 5 : 0 })) },
  });
  expect((await loadPictures()).sort()).toEqual([2, 5]);
});

test("labels and tags are set on several instances, and a message shows how many", async () => {
  void queue.setLabel([1, 2], "bird");
  expect(model.requested("label")).toMatchObject([{ ids: [1, 2], label: "bird" }]);
  await model.answer("label", { result: { changed: 2 } });
  expect(queue.message).toBe("Labeled bird: 2");
  void queue.addTag([3], "night");
  expect(model.requested("add_tag")).toMatchObject([{ ids: [3], tag: "night" }]);
  await model.answer("add_tag", { result: { changed: 1 } });
  expect(queue.message).toBe("Tagged night");
});

test("the attributes of the catalogue and its images without objects are read once, and again by a refresh", async () => {
  const result = { attributes: { occluded: [false, true] }, without_objects: 3 };
  await model.answer("more_choices", { result });
  expect([queue.attributes, queue.withoutObjects]).toEqual([result.attributes, 3]);
  expect(model.requested("more_choices")).toEqual([]);
  void queue.refresh();
  await model.answer("refresh", { result: null });
  await model.answer("more_choices", { result: { attributes: {}, without_objects: 2 } });
  expect([queue.attributes, queue.withoutObjects]).toEqual([{}, 2]);
});

test("undo reports its instances", async () => {
  const undone = queue.undo();
  await model.answer("undo", { result: { undone: { ids: [3, 4], status: "accepted" } } });
  expect([await undone, queue.message]).toEqual([[3, 4], "Undone: 2"]);
  const nothing = queue.undo();
  await model.answer("undo", { result: { undone: null } });
  expect([await nothing, queue.message]).toEqual([null, "There is nothing to undo"]);
});

test("another list is shown once its first rows have arrived, and replies for the old one are dropped", async () => {
  const late = { ...model.sent.find(({ op }) => op === "page") };
  model.change("_query", { key: 2, count: 5, error: "" });
  expect([queue.isWaiting, queue.rows.key]).toEqual([true, 1]);
  await model.page({ label: "cat" });
  expect([queue.isWaiting, queue.rows.key, queue.rows.count, queue.rows.at(0)?.label]).toEqual([false, 2, 5, "cat"]);
  expect(late.op).toBeUndefined();
  model.change("_query", { key: 3, count: 0, error: "" });
  expect([queue.isWaiting, queue.rows.count]).toEqual([false, 0]);
});

test("the error of a filter is shown", () => {
  model.change("_query", { key: 1, count: 1000, error: "there is no score 'edge'" });
  expect(queue.kernel.notice?.text).toBe("there is no score 'edge'");
});

test("the ids of a range include rows that are not loaded", async () => {
  const ids = queue.idsOf({ start: BLOCK_SIZE - 2, stop: BLOCK_SIZE + 3 });
  await new Promise((resolve) => setTimeout(resolve));
  expect(model.requested("page").at(-1)).toMatchObject({ start: BLOCK_SIZE, stop: BLOCK_SIZE + 3 });
  await model.page();
  expect(await ids).toEqual([BLOCK_SIZE - 1, BLOCK_SIZE, BLOCK_SIZE + 1, BLOCK_SIZE + 2, BLOCK_SIZE + 3]);
});

test("a lost kernel is reported and gets no more requests", async () => {
  vi.useFakeTimers();
  model.fire("comm_live_update");
  await vi.advanceTimersByTimeAsync(1_000);
  vi.useRealTimers();
  expect([queue.kernel.notice?.kind, queue.isEditable, queue.isLost]).toEqual(["lost", false, true]);
  const { length } = model.sent;
  viewport = { ...viewport, visible: { start: 500, stop: 510 } };
  queue.fetch();
  expect([await queue.run("undo"), model.sent.length]).toEqual([null, length]);
  expect(queue.thumbnails.get(1)).toBeUndefined(); // tiles do not repeat the error
});

test("the editor opens an instance, and the next one after a decision", async () => {
  void queue.editor.edit(4);
  expect(queue.editor.opening).toBe(4);
  await model.answer("edit", { result: { id: 4 } });
  expect([queue.editor.open, queue.editor.index, queue.editor.opening]).toEqual([4, 3, null]);
  void queue.editor.decide("accept");
  void queue.editor.decide("accept"); // an impatient key
  expect(model.requested("accept").length).toBe(1);
  await model.answer("accept", { result: { id: 6 } });
  expect(queue.editor.open).toBe(6);
  void queue.editor.decide("reject");
  await model.answer("reject", {
    ok: false,
    error: "the instance was changed in another page; the edits are still here",
  });
  expect([queue.editor.open, queue.kernel.notice?.text]).toEqual([
    6,
    "the instance was changed in another page; the edits are still here",
  ]);
  expect(queue.kernel.notice?.offer).toBeUndefined();
  void queue.editor.decide("reject");
  await model.answer("reject", { ok: false, error: "the instance was changed in another page", kind: "Conflict" });
  expect(queue.kernel.notice?.kind === "error" && queue.kernel.notice.offer?.text).toBe("Overwrite with my version");
  queue.kernel.notice?.offer?.run();
  expect(await model.answer("reject", { result: { id: 6 } })).toMatchObject({ overwrite: true });
  expect(queue.kernel.notice).toBeNull();
  void queue.editor.decide("skip");
  expect(await model.answer("skip", { result: { id: null } })).toMatchObject({ overwrite: false });
  expect([queue.editor.open, queue.message]).toEqual([null, "Skipped. That was the last new one."]);
});

test("a closed view is neither notified nor served", async () => {
  stop.abort();
  model.sent = [];
  queue.fetch();
  queue.notify();
  expect(model.sent).toEqual([]);
  queue.close();
  await model.receive({ id: null, ok: true, result: { changed: [row(1, { status: "skipped" })] } });
  expect(status(1)).toBe("new");
});
