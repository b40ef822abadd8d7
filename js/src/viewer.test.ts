import { beforeEach, expect, test, vi } from "vitest";
import type { ViewerHost } from "./viewer_host";

/** As much of an element as the stage and its canvases use; events do not bubble. */
class FakeElement extends EventTarget {
  style = {};
  dataset = {};
  parentElement: FakeElement | null = null;
  append(...children: FakeElement[]) {
    for (const child of children) child.parentElement = this;
  }
  setAttribute() {}
  setPointerCapture() {}
  getBoundingClientRect() {
    return { left: 0, top: 0 };
  }
}

vi.stubGlobal("document", Object.assign(new EventTarget(), { createElement: () => new FakeElement() }));
vi.stubGlobal("HTMLCanvasElement", FakeElement);
vi.stubGlobal(
  "ResizeObserver",
  class {
    observe() {}
  },
);
vi.stubGlobal("requestAnimationFrame", () => 1);
vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
const { Viewer } = await import("./viewer");

const REST_MS = 80;
let previewed: unknown[];
let committed: unknown[];
let viewer: InstanceType<typeof Viewer>;

beforeEach(() => {
  [previewed, committed] = [[], []];
  const doc = {
    image: { width: 100, height: 100 },
    isEditable: true,
    pending: [],
    acceptsGestures: () => true,
    previewAction: (action: unknown) => previewed.push(action),
    commit: (action: unknown) => committed.push(action),
  };
  const host = { doc, hidden: new Set(), modes: { previewing: false }, options: {}, pressProposal: () => false };
  viewer = new Viewer(host as unknown as ViewerHost, new AbortController().signal);
});

/** Send a pointer event at a point of the image, which lies on the stage at the scale 1. */
function point(type: string, x: number, y: number) {
  const event = Object.assign(new Event(type), {
    clientX: x,
    clientY: y,
    button: 0,
    pointerId: 1,
    pointerType: "mouse",
  });
  Object.defineProperty(event, "target", { value: viewer.imageCanvas });
  viewer.stage.dispatchEvent(event);
}

test("a box is previewed while it is dragged, whenever the pointer rests", () => {
  viewer.use("box");
  point("pointerdown", 10, 10);
  for (const end of [30, 50]) {
    point("pointermove", end - 5, end);
    vi.advanceTimersByTime(REST_MS - 1);
    point("pointermove", end, end);
    vi.advanceTimersByTime(REST_MS);
  }
  expect(previewed).toEqual([30, 50].map((end) => ({ type: "box", x0: 10, y0: 10, x1: end, y1: end })));
  point("pointermove", 60, 60);
  point("pointerup", 60, 60);
  vi.advanceTimersByTime(REST_MS);
  expect(previewed.length).toBe(2); // the mask itself follows
  expect(committed).toEqual([{ type: "box", x0: 10, y0: 10, x1: 60, y1: 60 }]);
});

test("without a drag, a resting pointer previews nothing outside the preview mode", () => {
  viewer.use("click");
  point("pointermove", 30, 30);
  vi.advanceTimersByTime(REST_MS);
  expect(previewed).toEqual([]);
});
