import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { fromBase64 } from "./payload";
import { resizeLinear, resizeToSquare } from "./resize";

interface Case {
  width: number;
  height: number;
  size: number;
  image: string; // base64 of (height, width, 3)
  resized: string; // by OpenCV
}

const CASES: Case[] = JSON.parse(readFileSync("../tests/resize_cases.json", "utf8"));

test.each(CASES)("$width x $height to $size is resized as OpenCV does", ({ width, height, size, image, resized }) => {
  const found = resizeToSquare({ width, height, channels: 3, data: fromBase64(image) }, size);
  expect([...found]).toEqual([...fromBase64(resized)]);
});

test("probabilities are interpolated between the centers of pixels", () => {
  const plane = { width: 2, height: 1, channels: 1, data: Float32Array.of(0, 1) };
  expect([...resizeLinear(plane, { width: 4, height: 1 })]).toEqual([0, 0.25, 0.75, 1]);
});
