import { expect, test } from "vitest";
import { imagePoint, magnifierCorner } from "./painting";

const ELEMENT = { left: 100, top: 50, width: 200, height: 100 };
const VIEW = [40, 20, 80, 40] as const;

test.each([
  ["the upper left corner", 100, 50, 40, 20],
  ["the middle", 200, 100, 60, 30],
  ["a point outside, which counts as the nearest border", 90, 75, 40, 25],
])("%s is an image point", (_, clientX, clientY, x, y) => {
  expect(imagePoint({ clientX, clientY }, ELEMENT, VIEW)).toEqual([x, y]);
});

test("the last pixel is the last one of the view, not the one after it", () => {
  const [x, y] = imagePoint({ clientX: 300, clientY: 150 }, ELEMENT, VIEW);
  expect([Math.floor(x), Math.floor(y)]).toEqual([79, 39]);
});

test("the magnifier is in the corner that is farther from the queried pixel", () => {
  const [left] = magnifierCorner([400, 10, 417, 27], 17, 512);
  const [right] = magnifierCorner([10, 10, 27, 27], 17, 512);
  expect(left).toBeLessThan(100);
  expect(right + 17 * 9).toBeGreaterThan(400);
  expect(right + 17 * 9).toBeLessThan(512);
});
