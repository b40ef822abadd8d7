import { beforeEach, expect, test, vi } from "vitest";
import { ImageWindow, type IntensityWindow } from "./image_window";
import type { ImageInfo } from "./traits";

/** A document whose kernel answers as Python does. */
class FakeDocument {
  image: ImageInfo = { key: 1, name: "scan.tif", width: 8, height: 8, index: 0, count: 1 };
  isEditable = true;
  window: IntensityWindow | null = { low: 0, high: 4095, gamma: 1 };
  is_whole = true;
  previews: unknown[] = [];
  kept: unknown[] = [];
  shown = 0;
  isFull = false; // whether the disk is full, so that no window can be kept
  delay = 0; // ms of a change
  kernel: any = {
    request: async () => ({
      result: { window: this.window && { ...this.window }, range: [10, 3900], is_whole: this.is_whole },
    }),
    requestLatest: async (_: string, window: IntensityWindow) => {
      this.previews.push(window);
      return { result: { mime: "image/png" }, buffers: [new DataView(new ArrayBuffer(1))] };
    },
  };
  edits: Promise<unknown> = Promise.resolve();
  edit = (run: () => unknown) => {
    this.edits = this.edits.then(run);
    return this.edits;
  };
  async changeImage(op: string, fields: any) {
    expect([op, fields.key]).toEqual(["set_window", this.image.key]);
    if (this.isFull) return;
    this.kept.push(fields.window);
    this.image = { ...this.image, key: this.image.key + 1, is_same: true };
    void setting.load(); // the panel is refreshed
    await new Promise((resolve) => setTimeout(resolve, this.delay));
  }
  async showPicture() {
    this.shown++;
  }
}

let doc: FakeDocument;
let setting: ImageWindow;
beforeEach(async () => {
  vi.useFakeTimers();
  doc = new FakeDocument();
  setting = new ImageWindow(doc as never, () => {});
  await setting.load();
});

test("a window is previewed at once, and kept after the last change", async () => {
  setting.set({ low: 100 });
  setting.set({ low: 200 });
  await vi.advanceTimersByTimeAsync(100);
  expect(doc.previews).toEqual([100, 200].map((low) => ({ low, high: 4095, gamma: 1 })));
  expect([doc.kept, doc.shown]).toEqual([[], 1]);
  const { info } = setting;
  await vi.advanceTimersByTimeAsync(1000);
  expect(doc.kept).toEqual([{ low: 200, high: 4095, gamma: 1 }]);
  await setting.load();
  expect(setting.info).toBe(info); // so that a slider keeps the focus
});

test("a change during another one is kept after it", async () => {
  doc.delay = 2000;
  setting.set({ low: 100 });
  await vi.advanceTimersByTimeAsync(700);
  setting.set({ low: 200 });
  await vi.advanceTimersByTimeAsync(5000);
  expect(doc.kept).toEqual([100, 200].map((low) => ({ low, high: 4095, gamma: 1 })));
});

test("the window of before is shown again if it cannot be changed", async () => {
  doc.isFull = true;
  setting.set({ low: 100 });
  await vi.advanceTimersByTimeAsync(1000);
  expect(setting.info?.window.low).toBe(0);
  expect(doc.previews.at(-1)).toEqual({ low: 0, high: 4095, gamma: 1 });
});

test("black stays below white", () => {
  setting.set({ high: 300 });
  setting.set({ low: 500 });
  expect(setting.info?.window).toMatchObject({ low: 299, high: 300 });
  setting.set({ high: 100 });
  expect(setting.info?.window).toMatchObject({ low: 299, high: 300 });
});

test("resetting asks Python for its window", async () => {
  setting.set({ gamma: 2 });
  doc.window = { low: 5, high: 50, gamma: 1 };
  void setting.reset();
  await vi.advanceTimersByTimeAsync(100);
  expect(doc.kept).toEqual([null]);
  expect(setting.info?.window).toEqual({ low: 5, high: 50, gamma: 1 });
});

test("an image of 8 bits has no window, and a page for viewing only changes none", async () => {
  doc.isEditable = false;
  setting.set({ low: 7 });
  await vi.advanceTimersByTimeAsync(1000);
  expect([doc.previews, doc.kept]).toEqual([[], []]);
  doc.window = null;
  doc.image = { ...doc.image, key: 9 };
  await setting.load();
  expect(setting.info).toBeNull();
});

test("the step of floats is about a thousandth of their range", async () => {
  doc.is_whole = false;
  doc.image = { ...doc.image, key: 5 };
  await setting.load();
  expect(setting.step).toBe(1);
});
