import { beforeEach, expect, test, vi } from "vitest";
import { ImageDocument } from "./document";
import type { AnnotatorModel } from "./traits";

vi.stubGlobal(
  "Path2D",
  class {
    moveTo() {}
    lineTo() {}
    closePath() {}
    addPath() {}
  },
);
vi.stubGlobal(
  "OffscreenCanvas",
  class {
    constructor(
      readonly width: number,
      readonly height: number,
    ) {}
    getContext() {
      return {
        createImageData: (w: number, h: number) => ({ data: new Uint8ClampedArray(4 * w * h) }),
        putImageData() {},
      };
    }
  },
);
vi.stubGlobal("createImageBitmap", async () => ({ width: 4, height: 4, close() {} }));

class FakeModel {
  sent: any[] = [];
  traits: Record<string, any> = {
    _image: { key: 1, name: "", width: 4, height: 4, index: 0, count: 1 },
    _phase: { name: "ready", error: "" },
    _tools: [
      { name: "click", label: "Click", source: "model" },
      { name: "brush", label: "Brush", source: "brush" },
    ],
    busy: false,
    view_only: false,
  };
  private callbacks: [string, (...args: any[]) => void][] = [];
  get(name: string) {
    return this.traits[name];
  }
  set() {}
  save_changes() {}
  send(content: unknown) {
    this.sent.push(content);
  }
  on(event: string, callback: any) {
    this.callbacks.push([event, callback]);
  }
  off() {}
  fire(event: string, ...args: any[]) {
    for (const [name, callback] of this.callbacks) if (name === event) callback(...args);
  }
  /** Answer the oldest unanswered request of an op. */
  async answer(op: string, message: object, ...buffers: number[][]) {
    const at = this.sent.findIndex((request) => request.op === op);
    const [request] = this.sent.splice(at, 1);
    await this.receive({ id: request.id, ok: true, ...message }, ...buffers);
  }
  async receive(message: object, ...buffers: number[][]) {
    this.fire(
      "msg:custom",
      message,
      buffers.map((bytes) => new DataView(Uint8Array.from(bytes).buffer)),
    );
    await new Promise((resolve) => setTimeout(resolve));
  }
}

const update = (revision: number, change: object = {}) => ({
  document: {
    key: 1,
    revision,
    whole: false,
    selected: 1,
    locked: false,
    instances: [{ id: 1, label: "" }],
    prompts: [],
    can_undo: true,
    can_redo: false,
    alternatives: { count: 0, chosen: 0 },
    patches: [],
    ...change,
  },
});
const click = { type: "click", x: 2, y: 2, positive: true } as const;
const dot = { kind: "dot", x: 2, y: 2, positive: true } as const;
const square = { patches: [{ id: 1, box: [1, 1, 3, 3] }] };

let model: FakeModel;
let doc: ImageDocument;
beforeEach(async () => {
  model = new FakeModel();
  doc = new ImageDocument(model as AnnotatorModel);
  doc.open();
  await model.answer("document", { result: update(1, { whole: true }) });
  await model.answer("image", { result: { key: 1, mime: "image/png" } }, [0]);
});

const at = (x: number, y: number) => doc.current!.bitmap.at(x, y);

test("opening fetches document and image, once", () => {
  doc.open();
  expect(model.sent).toEqual([]);
  expect(doc.picture).not.toBeNull();
  expect(doc.current?.outline).toBeNull();
});

test("a click is drawn until its reply, and the reply's patch is the mask", async () => {
  void doc.commit(click, dot);
  expect(doc.pending).toEqual([dot]);
  expect(model.sent[0].action).toEqual({ type: "click", x: 2, y: 2, positive: true });
  await model.answer(
    "apply",
    { result: update(2, { ...square, prompts: [{ type: "click", x: 2, y: 2, positive: true }] }) },
    [0b11110000],
  );
  expect(doc.pending).toEqual([]);
  expect([at(1, 1), at(2, 2), at(3, 3)]).toEqual([true, true, false]);
  expect(doc.flash).not.toBeNull();
});

test("a failed click leaves no dot and shows the error", async () => {
  void doc.commit(click, dot);
  await model.answer("apply", { ok: false, error: "ValueError: no" });
  expect(doc.pending).toEqual([]);
  expect(doc.kernel.notice).toEqual({ kind: "error", text: "ValueError: no" });
  void doc.undo();
  expect(doc.kernel.notice).toBeNull();
});

test("changes by Python or another page are applied", async () => {
  await model.receive({ id: null, ok: true, result: update(2, square) }, [0b10010000]);
  expect([at(1, 1), at(2, 1), at(1, 2), at(2, 2)]).toEqual([true, false, false, true]);
});

test("after a missed update the whole document is loaded again", async () => {
  await model.receive({ id: null, ok: true, result: update(5, square) }, [0b11110000]);
  expect(model.sent.map((message) => message.op)).toEqual(["document"]);
  expect(at(1, 1)).toBe(false);
  await model.answer("document", { result: update(6, { ...square, whole: true }) }, [0b11110000]);
  expect(at(1, 1)).toBe(true);
  await model.receive({ id: null, ok: true, result: update(5, square) }, [0b00000000]); // late
  expect(at(1, 1)).toBe(true);
});

test("an update of another image is ignored", async () => {
  await model.receive({ id: null, ok: true, result: update(2, { ...square, key: 2 }) }, [0b11110000]);
  expect(at(1, 1)).toBe(false);
});

test("deleted instances lose their pixels", async () => {
  await model.receive({ id: null, ok: true, result: update(2, square) }, [0b11110000]);
  await model.receive({
    id: null,
    ok: true,
    result: update(3, { selected: 2, instances: [{ id: 2, label: "" }], order: { start: 0, removed: 1, ids: [2] } }),
  });
  await model.receive({ id: null, ok: true, result: update(4, { order: { start: 0, removed: 1, ids: [1] } }) });
  expect(doc.current?.outline).toBeNull();
});

test("only changed objects are sent; the others keep their place and label", async () => {
  const instances = [1, 2, 3].map((id) => ({ id, label: `object ${id}` }));
  await model.receive({ id: null, ok: true, result: update(2, { whole: true, instances }) });
  const labels = () => doc.instances.map(({ label }) => label);
  await model.receive({ id: null, ok: true, result: update(3, { instances: [{ id: 2, label: "cat" }] }) });
  expect(labels()).toEqual(["object 1", "cat", "object 3"]);
  const order = { start: 0, removed: 2, ids: [4, 2] };
  await model.receive({ id: null, ok: true, result: update(4, { instances: [{ id: 4, label: "new" }], order }) });
  expect(labels()).toEqual(["new", "cat", "object 3"]);
});

test("another image is loaded when it is shown", async () => {
  model.traits._image = { ...model.traits._image, key: 2, index: 1 };
  model.fire("change:_image");
  expect(model.sent.map((message) => message.op)).toEqual(["document", "image"]);
  expect(doc.picture).toBeNull();
});

test("a kernel that does not reply after a connection change is lost until its next message", async () => {
  vi.useFakeTimers();
  model.fire("comm_live_update");
  await vi.advanceTimersByTimeAsync(1_000);
  vi.useRealTimers();
  expect(doc.kernel.notice?.kind).toBe("lost");
  expect(doc.isEditable).toBe(false);
  expect(await doc.kernel.run("undo")).toBeNull();
  await model.receive({ id: null, ok: true, result: update(2) });
  expect(doc.isLost).toBe(false);
});

test("a preview shows the change of a click without changing the mask", async () => {
  void doc.previewAction(click);
  await model.answer("peek", { result: { box: [1, 1, 3, 3] } }, [0b11110000]);
  expect(doc.change).not.toBeNull();
  expect(at(1, 1)).toBe(false);
  await doc.previewAction(null);
  expect(doc.change).toBeNull();
});

const brush = { type: "brush", points: [[1, 1]], radius: 1, add: true } as const;
const shown = () => [...doc.current!.pixels.read([0, 0, 4, 4])].join("").match(/..../g);

test("paint is shown at once, and the kernel's reply replaces it", async () => {
  const draft = doc.paint({ box: [0, 0, 2, 2], bits: Uint8Array.of(1, 1, 1, 1) }, true);
  void doc.commit({ ...brush, points: [[1, 1]] }, null, draft);
  expect(shown()).toEqual(["1100", "1100", "0000", "0000"]);
  expect(at(0, 0)).toBe(false);
  await model.answer("apply", { result: update(2, { patches: [{ id: 1, box: [0, 0, 2, 2] }] }) }, [0b11100000]);
  expect(shown()).toEqual(["1100", "1000", "0000", "0000"]);
});

test("a failed stroke is removed and its error is shown", async () => {
  await model.receive({ id: null, ok: true, result: update(2, square) }, [0b11110000]);
  const draft = doc.paint({ box: [1, 1, 2, 2], bits: Uint8Array.of(1) }, false);
  void doc.commit({ ...brush, points: [[1, 1]] }, null, draft);
  expect(shown()).toEqual(["0000", "0010", "0110", "0000"]);
  await model.answer("apply", { ok: false, error: "ValueError: no" });
  expect(shown()).toEqual(["0000", "0110", "0110", "0000"]);
  expect(doc.kernel.notice?.text).toBe("ValueError: no");
});

test("the next stroke stays over the reply to the previous one and over a reloaded document", async () => {
  const first = doc.paint({ box: [0, 0, 2, 1], bits: Uint8Array.of(1, 1) }, true);
  void doc.commit({ ...brush, points: [[1, 1]] }, null, first);
  const second = doc.paint({ box: [1, 0, 2, 2], bits: Uint8Array.of(1, 1) }, false);
  await model.answer("apply", { result: update(2, { patches: [{ id: 1, box: [0, 0, 3, 1] }] }) }, [0b11100000]);
  expect(shown()).toEqual(["1010", "0000", "0000", "0000"]);
  await model.receive({ id: null, ok: true, result: update(3, { ...square, whole: true }) }, [0b11110000]);
  expect(shown()).toEqual(["0000", "0010", "0110", "0000"]);
  doc.discard(second);
  expect(shown()).toEqual(["0000", "0110", "0110", "0000"]);
});

test("a click that changes nothing says so, and a click on another object names it", async () => {
  void doc.commit(click, dot);
  await model.answer("apply", { result: update(2) });
  expect(doc.message).toContain("already agrees");
  const instances = [
    { id: 1, label: "coin" },
    { id: 2, label: "" },
  ];
  const order = { start: 1, removed: 0, ids: [2] };
  await model.receive(
    { id: null, ok: true, result: update(3, { ...square, instances, order, selected: 2 }) },
    [0b11110000],
  );
  void doc.commit(click, dot);
  const patches = [{ id: 2, box: [1, 1, 3, 3] }];
  await model.answer("apply", { result: update(4, { patches, instances, selected: 2 }) }, [0b11110000]);
  expect(doc.message).toBe("Object 1 (coin) is already here. Ctrl+click selects it.");
});

test("no gesture starts while another image is being opened", async () => {
  expect(doc.acceptsGestures()).toBe(true);
  const going = doc.edit(() => doc.changeImage("go", { step: 1 }), { changesImage: true });
  expect(doc.acceptsGestures()).toBe(false);
  await model.answer("go", { result: { passed: [], key: 1 } });
  await going;
  expect(doc.acceptsGestures()).toBe(true);
});
