import { beforeEach, expect, test, vi } from "vitest";
import { Transport, type Message, type Model } from "./transport";

class FakeModel implements Model {
  sent: any[] = [];
  private callbacks: ((message: Message, buffers: DataView[]) => void)[] = [];
  get() { return undefined; }
  set() {}
  save_changes() {}
  send(content: unknown) { this.sent.push(content); }
  on(_event: string, callback: any) { this.callbacks.push(callback); }
  off(_event: string, callback: any) { this.callbacks = this.callbacks.filter((c) => c !== callback); }
  answer(message: Message) { this.callbacks.forEach((callback) => callback(message, [])); }
}

let model: FakeModel, heard: any[], slow: boolean[], transport: Transport;
beforeEach(() => {
  vi.useFakeTimers();
  model = new FakeModel();
  heard = [];
  slow = [];
  transport = new Transport(model, (result) => heard.push(result), (is) => slow.push(is));
});

test("answers go to the request of their id, in any order", async () => {
  const first = transport.request("apply", { x: 1 }), second = transport.request("apply", { x: 2 });
  expect(model.sent.map((m) => m.x)).toEqual([1, 2]);
  model.answer({ id: model.sent[1].id, ok: true, result: "b" });
  model.answer({ id: model.sent[0].id, ok: true, result: "a" });
  expect((await first).result).toBe("a");
  expect((await second).result).toBe("b");
  expect(transport.busy).toBe(false);
});

test("a Python exception is a rejected promise with its text", async () => {
  const request = transport.request("apply");
  model.answer({ id: model.sent[0].id, ok: false, error: "ValueError: outside the image" });
  await expect(request).rejects.toThrow("ValueError: outside the image");
});

test("what answers nobody here is heard all the same", () => {
  model.answer({ id: null, ok: true, result: { rev: 4 } });
  model.answer({ id: "another-page-1", ok: true, result: { rev: 5 } });
  expect(heard).toEqual([{ rev: 4 }, { rev: 5 }]);
});

test("a kernel that is silent is reported, and the report taken back when it answers", async () => {
  const request = transport.request("apply");
  vi.advanceTimersByTime(8_000);
  expect(slow).toEqual([true]);
  model.answer({ id: model.sent[0].id, ok: true });
  expect(slow).toEqual([true, false]);
  await request;
});

test("a kernel that is busy for an hour answers after that hour", async () => {
  const request = transport.request("apply");
  vi.advanceTimersByTime(3_600_000);
  model.answer({ id: model.sent[0].id, ok: true, result: "late" });
  expect((await request).result).toBe("late");
});

test("a dead kernel fails everything that waits", async () => {
  const request = transport.request("apply");
  transport.fail("the kernel was restarted");
  await expect(request).rejects.toThrow("restarted");
});

test("peek: one in flight, newest wins", async () => {
  const [a, b, c] = [1, 2, 3].map((x) => transport.peek("peek", { x }));
  expect(model.sent.map((m) => m.x)).toEqual([1]);
  expect(await b).toBeNull();
  model.answer({ id: model.sent[0].id, ok: true, result: "one" });
  expect((await a)?.result).toBe("one");
  await vi.advanceTimersByTimeAsync(0);
  expect(model.sent.map((m) => m.x)).toEqual([1, 3]);
  model.answer({ id: model.sent[1].id, ok: true, result: "three" });
  expect((await c)?.result).toBe("three");
});

test("after close nothing is heard", () => {
  transport.close();
  model.answer({ id: null, ok: true, result: 1 });
  expect(heard).toEqual([]);
});
