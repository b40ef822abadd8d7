import { expect, test } from "vitest";
import { LabelMap } from "./superpixels";

/** The rule of cdwidget/tools/superpixel.py. */
test.each([
  [7, 5, 7, 5],
  [23, 17, 8, 6],
  [40, 9, 13, 3],
  [3, 3, 1, 1],
])("a %i x %i image is looked up in a %i x %i map", (width, height, w, h) => {
  const labels = Int32Array.from({ length: w * h }, (_, i) => Math.floor(i / 3));
  const map = new LabelMap(labels, { width: w, height: h }, { width, height }, 16);
  const label = (x: number, y: number) =>
    labels[Math.floor(((y + 0.5) * h) / height) * w + Math.floor(((x + 0.5) * w) / width)];
  const held = new Array<number>(Math.max(...labels) + 1).fill(0);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      expect(map.at(x + 0.99, y)).toBe(label(x, y));
      held[label(x, y)]++;
    }
  }
  held.forEach((count, segment) => {
    const {
      box: [x0, y0, x1, y1],
      bits,
    } = map.patch(segment);
    expect(bits.reduce((sum, bit) => sum + bit, 0)).toBe(count);
    bits.forEach((bit, i) => {
      if (bit) expect(label(x0 + (i % (x1 - x0)), y0 + Math.floor(i / (x1 - x0)))).toBe(segment);
    });
    expect(bits.length).toBe((x1 - x0) * (y1 - y0));
  });
  expect([map.at(-1, 0), map.at(0, height), map.at(width, 0)]).toEqual([undefined, undefined, undefined]);
});
