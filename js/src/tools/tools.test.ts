import { expect, test } from "vitest";
import examplesFile from "../../../tests/actions.json";
import type { Action } from "../actions";
import { TOOLS } from ".";
import { ToolDriver, type Ev, type Preview, type Tool } from "./tool";

function drive(tool: Tool, events: Ev[]) {
  const actions: Action[] = [], previews: (Preview | null)[] = [];
  const driver = new ToolDriver({ preview: (p) => previews.push(p), commit: (a) => actions.push(a) }, tool);
  events.forEach((event) => driver.send(event));
  return { actions, previews, busy: driver.busy, driver };
}

/** The same file is applied to a session by tests/test_actions.py. */
const examples = examplesFile as { tool: string; gesture: Ev[]; action: Action }[];

test.each(examples)("$tool: one gesture is one action", ({ tool, gesture, action }) => {
  const done = drive(TOOLS[tool], gesture);
  expect(done.actions).toEqual([action]);
  expect(done.previews.at(-1)).toBeNull();
  expect(done.busy).toBe(false);
});

test("every tool has an example", () => {
  expect(new Set(examples.map((example) => example.tool))).toEqual(new Set(Object.keys(TOOLS)));
  for (const [id, tool] of Object.entries(TOOLS)) expect(tool.id).toBe(id);
});

test.each(examples)("$tool: Escape in the middle commits nothing and clears the preview", ({ tool, gesture }) => {
  const done = drive(TOOLS[tool], [gesture[0], { type: "key", x: 0, y: 0, key: "Escape" }, gesture[gesture.length - 1]]);
  expect(done.actions).toEqual([]);
  expect(done.previews.at(-1)).toBeNull();
});

test("the dot is drawn on press", () => {
  expect(drive(TOOLS.click, [{ type: "down", x: 1, y: 2 }]).previews).toEqual([{ dot: { x: 1, y: 2, positive: true } }]);
});

test("switching the tool in the middle of a gesture cancels it", () => {
  const { driver, actions } = drive(TOOLS.click, [{ type: "down", x: 1, y: 2 }]);
  driver.use({ ...TOOLS.click, id: "other" });
  driver.send({ type: "up", x: 1, y: 2 });
  expect(actions).toEqual([]);
  expect(driver.busy).toBe(false);
});
