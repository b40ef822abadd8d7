import { expect, test } from "vitest";
import { HEATMAP_COLORS, Heatmaps } from "./pictures";

const color = (value: number) => [...HEATMAP_COLORS.subarray(4 * value, 4 * value + 4)];
const lightness = (value: number) => {
  const [red, green, blue] = color(value);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

test("zero is transparent, and higher values are lighter and more opaque", () => {
  expect(color(0)[3]).toBe(0);
  for (let value = 1; value < 256; value++) {
    expect(lightness(value)).toBeGreaterThanOrEqual(lightness(value - 1));
    expect(color(value)[3]).toBeGreaterThanOrEqual(color(value - 1)[3]);
  }
  expect(color(255)).toEqual([252, 255, 164, 230]);
});

test("each heatmap is requested once, unless it is dropped", async () => {
  const heatmaps = new Heatmaps();
  expect([heatmaps.next([1, 2]), heatmaps.next([1, 2]), heatmaps.next([1, 2])]).toEqual([1, 2, undefined]);
  await heatmaps.add(1, "", undefined);
  heatmaps.settle(1);
  expect(heatmaps.get(1)).toEqual({ name: "", url: "" });
  expect(heatmaps.next([1])).toBeUndefined(); // there is none
  heatmaps.drop(1);
  expect(heatmaps.next([1])).toBe(1);
});
