import { expect, test } from "vitest";
import type { Box } from "../bitmap";
import { approach } from "./approach";

function looked(box: Box) {
  const done: number[][] = [], stage = { clientWidth: 800, clientHeight: 600 } as HTMLDivElement;
  approach({ stage, camera: { scale: 0.5, x: 0, y: 0 }, zoom: (factor) => done.push([factor]), center: (x, y) => done.push([x, y]) }, box);
  return done;
}

test("a small object fills part of the stage, the tighter side counts", () => {
  expect(looked([100, 200, 140, 220])).toEqual([[0.4 * 40], [120, 210]]);
  expect(looked([0, 0, 10, 200])).toEqual([[0.4 * 6], [5, 100]]);
});

test("a large one stays as it is: the whole image is seen", () => {
  expect(looked([0, 0, 700, 300])).toEqual([]);
  expect(looked([0, 0, 300, 300])).toEqual([]);
});
