import { expect, test } from "vitest";
import examplesFile from "../../../tests/actions.json";
import type { Action } from "../actions";
import { Bitmap } from "../bitmap";
import { LabelMap } from "../superpixels";
import { TOOLS } from ".";
import { type Preview, type Tool, type ToolContext, ToolDriver, type ToolEvent, type ToolSettings } from "./tool";

const SETTINGS: ToolSettings = {
  brush_size: 6,
  tolerance: 20,
  superpixels: 16,
  add: true,
  straight: false,
  pressure: false,
};

const IMAGE = { width: 18, height: 14 };
const HALVES = new LabelMap(Int32Array.of(0, 3), { width: 2, height: 1 }, IMAGE, 16);

function drive(
  tool: Tool,
  events: ToolEvent[],
  settings: Partial<ToolSettings> = {},
  change: Partial<ToolContext> = {},
) {
  const actions: Action[] = [];
  const previews: (Preview | null)[] = [];
  const painted = new Bitmap();
  const context: ToolContext = {
    image: IMAGE,
    scale: 20,
    settings: { ...SETTINGS, ...settings },
    pixels: painted,
    superpixels: HALVES,
    superpixelsLoaded: async () => {},
    pendingEdits: null,
    set(name, value) {
      this.settings[name] = value;
    },
    preview: (preview) => previews.push(preview),
    paint: (patch, add) => painted.paint(patch, add ? 1 : 0),
    previewAction() {},
    requestLatest: async () => null,
    choose() {},
    commit: (action) => actions.push(action),
    ended: () => previews.push(null),
    ...change,
  };
  const driver = new ToolDriver(context, tool);
  for (const event of events) driver.send(event);
  return { actions, previews, painted, busy: driver.isBusy, driver };
}

/** The same file is applied to a session by tests/test_actions.py. */
const examples = (examplesFile as { tool?: string; gesture?: ToolEvent[]; action: Action }[]).filter(
  (example): example is { tool: string; gesture: ToolEvent[]; action: Action } => !!example.gesture,
);

test.each(examples)("$tool: one gesture is one action", ({ tool, gesture, action }) => {
  const done = drive(TOOLS[tool], gesture);
  expect(done.actions).toEqual([action]);
  expect(done.previews.at(-1)).toBeNull();
  expect(done.busy).toBe(false);
});

test("every tool has an example", () => {
  const acting = Object.keys(TOOLS).filter((name) => name !== "select");
  expect(new Set(examples.map((example) => example.tool))).toEqual(new Set(acting));
  for (const [id, tool] of Object.entries(TOOLS)) expect(tool.name).toBe(id);
});

test.each(examples)("$tool: Escape in the middle commits nothing and clears the preview", ({ tool, gesture }) => {
  const done = drive(TOOLS[tool], [
    gesture[0],
    { type: "key", x: 0, y: 0, key: "Escape" },
    gesture[gesture.length - 1],
  ]);
  expect(done.actions).toEqual([]);
  expect(done.previews.at(-1)).toBeNull();
});

test("the option Remove, Alt and the second button swap the sign of a click", () => {
  const clicks = (add: boolean, event: Partial<ToolEvent>) =>
    drive(
      TOOLS.click,
      [
        { type: "down", x: 1, y: 1, ...event },
        { type: "up", x: 1, y: 1 },
      ],
      { add },
    ).actions;
  for (const [add, event, positive] of [
    [true, {}, true],
    [true, { secondary: true }, false],
    [false, {}, false],
    [false, { secondary: true }, true],
    [true, { alt: true }, false],
  ] as const)
    expect(clicks(add, event)).toEqual([{ type: "click", x: 1, y: 1, positive }]);
});

test("the select tool chooses the object under the pointer, with Shift one more", () => {
  const chosen: unknown[] = [];
  const change = { choose: (...args: unknown[]) => void chosen.push(args) };
  for (const shift of [false, true])
    drive(
      TOOLS.select,
      [
        { type: "down", x: 2, y: 3, shift },
        { type: "up", x: 9, y: 9 },
      ],
      {},
      change,
    );
  expect(chosen).toEqual([
    [2, 3, false],
    [2, 3, true],
  ]);
});

test("a superpixel waits for the edits before it, which decide whether it adds", async () => {
  let finish = () => {};
  const pendingEdits = new Promise<void>((resolve) => {
    finish = resolve;
  });
  const inside = new Bitmap([0, 0, 18, 14]);
  inside.bits.fill(1);
  const events: ToolEvent[] = [
    { type: "down", x: 2, y: 3 },
    { type: "up", x: 2, y: 3 },
  ];
  const done = drive(TOOLS.superpixel, events, {}, { pendingEdits, pixels: inside });
  expect(done.actions).toEqual([]);
  inside.bits.fill(0); // the edits before it start a new object
  finish();
  await new Promise((resolve) => setTimeout(resolve));
  expect(done.actions).toMatchObject([{ type: "superpixel", add: true }]);
});

test("the dot is drawn on press", () => {
  expect(drive(TOOLS.click, [{ type: "down", x: 1, y: 2 }]).previews).toEqual([
    { kind: "dot", x: 1, y: 2, positive: true },
  ]);
});

test("switching the tool in the middle of a gesture cancels it", () => {
  const { driver, actions } = drive(TOOLS.click, [{ type: "down", x: 1, y: 2 }]);
  driver.use({ ...TOOLS.click, name: "other" });
  driver.send({ type: "up", x: 1, y: 2 });
  expect(actions).toEqual([]);
  expect(driver.isBusy).toBe(false);
});

test("a brush paints the pixels of its action, and Alt makes it erase", () => {
  const stroke = (alt: boolean): ToolEvent[] => [
    { type: "down", x: 4, y: 4, alt },
    { type: "move", x: 9, y: 4, alt },
    { type: "up", x: 9, y: 4, alt },
  ];
  const brush = drive(TOOLS.brush, stroke(false));
  const eraser = drive(TOOLS.brush, stroke(true));
  expect([brush.painted.at(6, 4), brush.painted.at(6, 6), brush.painted.at(6, 7)]).toEqual([true, true, false]);
  expect(brush.actions).toEqual([
    {
      type: "brush",
      points: [
        [4, 4],
        [9, 4],
      ],
      radius: 3,
      add: true,
    },
  ]);
  expect(eraser.actions).toEqual([
    {
      type: "brush",
      points: [
        [4, 4],
        [9, 4],
      ],
      radius: 3,
      add: false,
    },
  ]);
});

test("a pen's highest pressure sets the width of the whole stroke", () => {
  const pen = (type: ToolEvent["type"], x: number, pressure: number): ToolEvent => ({
    type,
    x,
    y: 7,
    pressure,
    pointerType: "pen",
  });
  const { actions } = drive(TOOLS.brush, [pen("down", 3, 0.2), pen("move", 8, 0.5), pen("up", 12, 0)], {
    pressure: true,
  });
  expect(actions).toEqual([
    {
      type: "brush",
      points: [
        [3, 7],
        [8, 7],
        [12, 7],
      ],
      radius: 1.5,
      add: true,
    },
  ]);
});

test.each(["Backspace", "Escape"] as const)("%s in the middle of a stroke removes it", (key) => {
  const { driver, actions } = drive(TOOLS.brush, [
    { type: "down", x: 4, y: 4 },
    { type: "move", x: 9, y: 4 },
    { type: "key", x: 9, y: 4, key },
    { type: "up", x: 9, y: 4 },
  ]);
  expect(actions).toEqual([]);
  expect(driver.isBusy).toBe(false);
});

test("a click waits for the superpixels, and a canceled one commits nothing", async () => {
  const click: ToolEvent[] = [
    { type: "down", x: 2, y: 2 },
    { type: "up", x: 2, y: 2 },
  ];
  for (const gives of [false, true]) {
    let arrive = () => {};
    const arrival = new Promise<void>((resolve) => {
      arrive = resolve;
    });
    const done = drive(
      TOOLS.superpixel,
      [...click, ...click],
      {},
      { superpixels: null, superpixelsLoaded: () => arrival },
    );
    expect(done.actions).toEqual([]);
    if (gives) done.driver.cancel();
    Object.assign(done.driver.context, { superpixels: HALVES });
    arrive();
    await new Promise((resolve) => setTimeout(resolve));
    expect(done.actions.map((action) => action.type)).toEqual(gives ? [] : ["superpixel", "superpixel"]);
    expect(done.previews.at(-1)).toBeNull();
  }
});

test.each(["polygon", "lasso"])("%s: Enter with too few points leaves it open", (tool) => {
  const press = (x: number, y: number): ToolEvent[] => [
    { type: "down", x, y },
    { type: "up", x, y },
  ];
  const enter: ToolEvent = { type: "key", x: 0, y: 0, key: "Enter" };
  const begun = [...press(2, 2), ...press(12, 2), enter];
  expect(drive(TOOLS[tool], begun, { straight: true })).toMatchObject({ actions: [], busy: true });
  expect(drive(TOOLS[tool], [...begun, ...press(12, 10), enter], { straight: true }).actions).toMatchObject([
    {
      points: [
        [2, 2],
        [12, 2],
        [12, 10],
      ],
    },
  ]);
});

test("lasso: points snap to the edges that the kernel finds near them, except with Shift", async () => {
  const replies: unknown[] = [];
  const requestLatest: ToolContext["requestLatest"] = async (_op, fields) => {
    replies.push(fields);
    const [from, [x, y]] = (fields as { points: [[number, number], [number, number]] }).points;
    const path = [from, [x + 0.25, y]]; // the edge is a quarter of a pixel, 5 CSS pixels, to the right
    return { result: { path }, buffers: [] } as never;
  };
  const { actions, driver } = drive(TOOLS.lasso, [{ type: "down", x: 2, y: 2 }], {}, { requestLatest });
  const click = async (x: number, y: number, shift = false) => {
    driver.send({ type: "move", x, y, shift });
    await new Promise((resolve) => setTimeout(resolve));
    driver.send({ type: "down", x, y, shift });
    driver.send({ type: "up", x, y, shift });
  };
  driver.send({ type: "up", x: 2, y: 2 });
  await new Promise((resolve) => setTimeout(resolve));
  await click(12, 2);
  await click(12, 10);
  await click(4, 10, true);
  driver.send({ type: "key", x: 4, y: 10, key: "Enter" });
  expect(replies).toMatchObject([{ snap: 0.5 }, { snap: 0.5 }, { snap: 0.5 }]);
  expect(actions).toMatchObject([
    {
      points: [
        [2.25, 2],
        [12.25, 2],
        [12.25, 10],
        [4, 10],
      ],
    },
  ]);
});
