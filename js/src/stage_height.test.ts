import { expect, test } from "vitest";
import { stageHeight } from "./stage_height";

const [PORTRAIT, LANDSCAPE] = [
  { width: 1000, height: 3000, count: 1 },
  { width: 3000, height: 1000, count: 1 },
];

test("a portrait image takes more of a higher window, and leaves room for the toolbars", () => {
  const heights = [600, 1080, 2160].map((windowHeight) => stageHeight(PORTRAIT, 1200, windowHeight));
  expect(heights).toEqual([372, 670, 1339]);
});

test("a landscape image fills the width, but the stage is never lower than usable", () => {
  expect(stageHeight(LANDSCAPE, 1200, 1080)).toBe(400);
  expect(stageHeight(LANDSCAPE, 300, 1080)).toBe(260);
  expect(stageHeight(PORTRAIT, 1200, 200)).toBe(260);
});

test("all images of a list have one height", () => {
  for (const image of [PORTRAIT, LANDSCAPE]) expect(stageHeight({ ...image, count: 2 }, 900, 1080)).toBe(600);
});
