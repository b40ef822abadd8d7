import { expect, test } from "vitest";
import { COLORS, Heats } from "./heat";

const color = (value: number) => [...COLORS.subarray(4 * value, 4 * value + 4)];
const lightness = (value: number) => {
  const [red, green, blue] = color(value);
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
};

test("nothing is not seen, and what is hotter is lighter and less transparent", () => {
  expect(color(0)[3]).toBe(0);
  for (let value = 1; value < 256; value++) {
    expect(lightness(value)).toBeGreaterThanOrEqual(lightness(value - 1));
    expect(color(value)[3]).toBeGreaterThanOrEqual(color(value - 1)[3]);
  }
  expect(color(255)).toEqual([252, 255, 164, 230]);
});

test("each map is asked for once, unless it is forgotten", async () => {
  const heats = new Heats();
  expect([heats.next([1, 2]), heats.next([1, 2]), heats.next([1, 2])]).toEqual([1, 2, undefined]);
  await heats.take(1, "", undefined);
  heats.land(1);
  expect(heats.get(1)).toEqual({ name: "", url: "" });
  expect(heats.next([1])).toBeUndefined(); // there is none
  heats.forget(1);
  expect(heats.next([1])).toBe(1);
});
