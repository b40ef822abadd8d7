import { expect, test, vi } from "vitest";

vi.stubGlobal("document", {});
const { showsHint } = await import("./parts");

type Host = Parameters<typeof showsHint>[0];

/** A new map of three points, with some of its members changed. */
function mapOf({ points = {}, ...usage }: { points?: object; isDrawing?: boolean; wasUsed?: boolean }): Host {
  const shown = { count: 3, selected: [], isLoading: false, isLost: false, ...points };
  return { points: shown, isDrawing: false, wasUsed: false, ...usage } as unknown as Host;
}

test("the hint is over a map that was not used yet", () => {
  expect(showsHint(mapOf({}))).toBe(true);
});

test.each([
  ["the first lasso", { isDrawing: true }],
  ["an earlier gesture", { wasUsed: true }],
  ["a selection", { points: { selected: [1] } }],
  ["a map without points", { points: { count: 0 } }],
  ["a layout that is computed", { points: { isLoading: true } }],
  ["a lost kernel", { points: { isLost: true } }],
])("%s hides the hint", (_reason, change) => {
  expect(showsHint(mapOf(change))).toBe(false);
});
