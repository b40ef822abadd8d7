import { expect, test } from "vitest";
import { trace } from "./outline";

function loops(...rows: string[]) {
  const bits = Uint8Array.from(rows.join(""), (c) => (c === "#" ? 1 : 0));
  return trace(bits, rows[0].length, rows.length);
}

/** Which pixels the loops enclose, by the even-odd rule: what a canvas would fill. */
function filled(all: number[][], width: number, height: number) {
  return Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => {
    let crossings = 0;
    for (const loop of all) {
      for (let i = 0; i < loop.length; i += 2) {
        const j = (i + 2) % loop.length;
        const low = Math.min(loop[i + 1], loop[j + 1]), high = Math.max(loop[i + 1], loop[j + 1]);
        if (loop[i] === loop[j] && loop[i] > x && low <= y && y < high) crossings++;
      }
    }
    return crossings % 2 ? "#" : ".";
  }).join(""));
}

test("one pixel has four corners", () => {
  expect(loops("...", ".#.", "...")).toEqual([[2, 1, 2, 2, 1, 2, 1, 1]]);
});

test("a straight edge is one edge", () => {
  expect(loops("####", "####")[0]).toHaveLength(8);
});

test("a hole is a loop of its own", () => {
  expect(loops("###", "#.#", "###")).toHaveLength(2);
});

test("pixels that touch at a corner are two loops", () => {
  expect(loops("#.", ".#")).toHaveLength(2);
});

test("the loops enclose exactly the pixels", () => {
  let seed = 7;
  const random = () => (seed = (seed * 16807) % 2147483647) / 2147483647;
  for (const share of [0.2, 0.5, 0.8]) {
    const rows = Array.from({ length: 17 }, () => Array.from({ length: 23 }, () => (random() < share ? "#" : ".")).join(""));
    expect(filled(loops(...rows), 23, 17)).toEqual(rows);
  }
});

test("nothing has no outline", () => {
  expect(loops("...")).toEqual([]);
});
