import { beforeEach, expect, test, vi } from "vitest";
import { copyBuffer } from "./buffers";
import { Kernel, type Message, type Model, RequestPool, reportRevision } from "./kernel";

type Callback = (...args: any[]) => void;

class FakeModel implements Pick<Model<{ _is_notebook: boolean }>, "get" | "send" | "on" | "off"> {
  isNotebook = true;
  get() {
    return this.isNotebook as never;
  }
  sent: { id: string; op: string; x: number }[] = [];
  private callbacks: [event: string, callback: Callback][] = [];
  send(content: unknown) {
    this.sent.push(content as FakeModel["sent"][number]);
  }
  on(event: string, callback: any) {
    this.callbacks.push([event, callback]);
  }
  off(_event: string, callback: any) {
    this.callbacks = this.callbacks.filter((one) => one[1] !== callback);
  }
  fire(event: string, ...args: unknown[]) {
    for (const [name, callback] of this.callbacks) if (name === event) callback(...args);
  }
  answer(message: Message) {
    this.fire("msg:custom", message, []);
  }
}

let model: FakeModel;
let received: unknown[];
let changes: number;
let kernel: Kernel;
beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  received = [];
  changes = 0;
  kernel = new Kernel(model, {
    probe: () => ({ op: "ping" }),
    changed: () => changes++,
    received: (result) => received.push(result),
  });
});

test("replies go to the request with their id, in any order", async () => {
  const first = kernel.request("apply", { x: 1 });
  const second = kernel.request("apply", { x: 2 });
  expect(model.sent.map((m) => m.x)).toEqual([1, 2]);
  model.answer({ id: model.sent[1].id, ok: true, result: "b" });
  model.answer({ id: model.sent[0].id, ok: true, result: "a" });
  expect((await first).result).toBe("a");
  expect((await second).result).toBe("b");
  expect(kernel.isBusy).toBe(false);
});

test("every host's form of binary data is a DataView, and a message without any has no buffers", async () => {
  const bytes = Uint8Array.of(9, 1, 2, 3);
  const forms = [bytes.buffer, bytes, new DataView(bytes.buffer), bytes.subarray(1, 3)];
  const request = kernel.request("apply");
  model.fire("msg:custom", { id: model.sent[0].id, ok: true }, forms);
  const { buffers } = await request;
  const content = buffers.map((view) => [view instanceof DataView, view.byteLength, view.getUint8(1)]);
  expect(content).toEqual([...Array(3).fill([true, 4, 1]), [true, 2, 2]]);

  const bare = kernel.request("undo");
  model.fire("msg:custom", { id: model.sent[1].id, ok: true, result: 5 });
  expect(await bare).toEqual({ result: 5, buffers: [] });
});

async function deflated(...bytes: number[]): Promise<DataView> {
  const stream = new Blob([Uint8Array.from(bytes)]).stream().pipeThrough(new CompressionStream("deflate"));
  return new DataView(await new Response(stream).arrayBuffer());
}

test("compressed buffers arrive whole, and later messages wait for them", async () => {
  vi.useRealTimers();
  const packed = await deflated(1, 2, 3);
  const first = kernel.request("apply");
  const second = kernel.request("undo");
  const plain = new DataView(Uint8Array.of(7).buffer);
  model.fire("msg:custom", { id: model.sent[0].id, ok: true, result: 1, deflated: [1] }, [plain, packed]);
  model.fire("msg:custom", { id: model.sent[1].id, ok: true, result: 2 }, [plain]);
  const bytes = (await first).buffers.map((view) => [...new Uint8Array(copyBuffer(view))]);
  expect(bytes).toEqual([[7], [1, 2, 3]]);
  expect(await second).toEqual({ result: 2, buffers: [plain] });
  expect(received).toEqual([1, 2]);
  await new Promise((resolve) => setTimeout(resolve));
  const third = kernel.request("redo");
  model.answer({ id: model.sent[2].id, ok: true, result: 3 });
  expect(received).toEqual([1, 2, 3]); // at once
  await third;
});

test("a damaged reply fails its request and does not stop the next one", async () => {
  vi.useRealTimers();
  const [first, second] = [kernel.request("apply"), kernel.request("undo")];
  model.fire("msg:custom", { id: model.sent[0].id, ok: true, deflated: [0] }, [new DataView(new ArrayBuffer(9))]);
  model.answer({ id: model.sent[1].id, ok: true, result: 2 });
  await expect(first).rejects.toThrow("a reply cannot be read");
  expect((await second).result).toBe(2);
});

test("Python replies without threads until a message of a thread has arrived", () => {
  const isInline = () => (model.sent.at(-1) as { inline?: boolean }).inline ?? false;
  void kernel.request("tile");
  expect(isInline()).toBe(true);
  model.isNotebook = false;
  model.fire("change:_thread_beat"); // maybe together with a reply
  void kernel.request("tile");
  expect(isInline()).toBe(true);
  model.isNotebook = true;
  model.fire("change:_thread_beat");
  void kernel.request("tile");
  expect(isInline()).toBe(false);
});

test.each([true, false])(
  "a change sets the revision for cells to run again, except in a notebook (%s)",
  (isNotebook) => {
    const traits: Record<string, unknown> = { _is_notebook: isNotebook, revision: 1 };
    let saved = 0;
    const host = {
      get: (name: string) => traits[name],
      set: (name: string, value: unknown) => {
        traits[name] = value;
      },
      save_changes: () => saved++,
    };
    for (const revision of [1, 2, 2]) reportRevision(host as unknown as Parameters<typeof reportRevision>[0], revision);
    expect([traits.revision, saved]).toEqual(isNotebook ? [1, 0] : [2, 1]);
  },
);

test("a Python exception is a rejected promise with its text", async () => {
  const request = kernel.request("apply");
  model.answer({ id: model.sent[0].id, ok: false, error: "ValueError: outside the image" });
  await expect(request).rejects.toThrow("ValueError: outside the image");
});

test("replies to other pages and messages without an id are also received", () => {
  model.answer({ id: null, ok: true, result: { rev: 4 } });
  model.answer({ id: "another-page-1", ok: true, result: { rev: 5 } });
  expect(received).toEqual([{ rev: 4 }, { rev: 5 }]);
});

test("a silent kernel is reported until it replies", async () => {
  const request = kernel.request("apply");
  vi.advanceTimersByTime(8_000);
  expect(kernel.notice?.kind).toBe("slow");
  model.answer({ id: model.sent[0].id, ok: true });
  expect(kernel.notice).toBeNull();
  await request;
});

test("a kernel that is busy for an hour replies after that hour", async () => {
  const request = kernel.request("apply");
  vi.advanceTimersByTime(3_600_000);
  model.answer({ id: model.sent[0].id, ok: true, result: "late" });
  expect((await request).result).toBe("late");
});

test("a kernel that does not reply to the probe is lost, and all its requests fail", async () => {
  const request = kernel.request("apply");
  const failure = expect(request).rejects.toThrow("restarted");
  model.fire("comm_live_update");
  expect(model.sent.map(({ op }) => op)).toEqual(["apply", "ping"]);
  await vi.advanceTimersByTimeAsync(1_000);
  await failure;
  expect(kernel.isLost).toBe(true);
  expect(await kernel.run("undo")).toBeNull();
  kernel.dismiss();
  expect(kernel.isLost).toBe(true);
  model.answer({ id: null, ok: true });
  expect(kernel.notice).toBeNull();
});

test("a failed command shows a notice, which the next command removes", async () => {
  const failed = kernel.run("apply", {}, { offer: (kind) => ({ text: `retry after ${kind}`, run() {} }) });
  model.answer({ id: model.sent[0].id, ok: false, error: "no", kind: "Conflict" });
  expect(await failed).toBeNull();
  expect(kernel.notice).toMatchObject({ kind: "error", text: "no", offer: { text: "retry after Conflict" } });
  void kernel.run("undo");
  expect(kernel.notice).toBeNull();
});

test("latest requests: one in flight, the newest waits, the others are dropped", async () => {
  const [a, b, c] = [1, 2, 3].map((x) => kernel.requestLatest("peek", { x }));
  expect(model.sent.map((m) => m.x)).toEqual([1]);
  expect(await b).toBeNull();
  model.answer({ id: model.sent[0].id, ok: true, result: "one" });
  expect((await a)?.result).toBe("one");
  await vi.advanceTimersByTimeAsync(0);
  expect(model.sent.map((m) => m.x)).toEqual([1, 3]);
  model.answer({ id: model.sent[1].id, ok: true, result: "three" });
  expect((await c)?.result).toBe("three");
});

test("after close nothing is received", () => {
  kernel.close();
  model.answer({ id: null, ok: true, result: 1 });
  expect(received).toEqual([]);
});

test("a pool has few requests in flight, and skips requests that are no longer needed", async () => {
  vi.useRealTimers();
  let needed = [1, 2, 3, 4];
  let ended = 0;
  const requested: number[] = [];
  const replies: (() => void)[] = [];
  const pool = new RequestPool(
    () => {
      const one = needed.shift();
      return one === undefined
        ? null
        : () => {
            requested.push(one);
            return new Promise<void>((resolve) => replies.push(resolve));
          };
    },
    () => {
      ended++;
    },
  );
  pool.fill();
  pool.fill();
  expect(requested).toEqual([1, 2]);
  needed = [8, 9];
  replies[0]();
  await new Promise((resolve) => setTimeout(resolve));
  expect([requested, ended, pool.isBusy]).toEqual([[1, 2, 8], 1, true]);
});
