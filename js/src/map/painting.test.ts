import { describe, expect, it } from "vitest";
import { diameterOf, disc, paintPoints } from "./painting";
import { PointIndex } from "./point_index";
import type { Rgb } from "./points";

const WHITE: Rgb = [255, 255, 255];

/** Paint points into a picture of 40 x 30 pixels, with a camera of scale 1. */
function paint(at: [number, number][], opacity = 1, chosen?: number[]) {
  const positions = new PointIndex(
    Float32Array.from(at, ([x]) => x),
    Float32Array.from(at, ([, y]) => y),
  );
  at.forEach(([x, y], i) => {
    positions.x[i] = x;
    positions.y[i] = y;
  });
  const points = {
    positions,
    classes: Uint8Array.from(at, (_, i) => i % 2),
    palette: [
      [200, 0, 0],
      [0, 0, 100],
    ] as Rgb[],
    isSelected: Uint8Array.from(chosen ?? at.map(() => 0)),
    selected: chosen?.filter(Boolean) ?? [],
  };
  const data = new Uint8ClampedArray(4 * 40 * 30);
  const picture = { data, width: 40, height: 30 } as ImageData;
  paintPoints(picture, points, { scale: 1, x: 0, y: 0 }, 1, {
    background: WHITE,
    opacity,
    diameter: 5,
  });
  return (x: number, y: number) => [...data.subarray(4 * (y * 40 + x), 4 * (y * 40 + x) + 4)];
}

describe("paintPoints", () => {
  it("draws discs on the background, later ones over earlier ones", () => {
    const at = paint([
      [10, 10],
      [12, 10],
    ]);
    expect(at(8, 10)).toEqual([200, 0, 0, 255]);
    expect(at(12, 10)).toEqual([0, 0, 100, 255]);
    expect(at(30, 20)).toEqual([255, 255, 255, 255]);
  });

  it("blends with the background", () => {
    const [red, green] = paint([[10, 10]], 0.5)(10, 10);
    expect(red).toBeCloseTo(228, -1);
    expect(green).toBeCloseTo(128, -1);
  });

  it("clips discs at the border", () => {
    const at = paint([
      [0, 10],
      [39, 0],
      [-50, 10],
      [20, 400],
    ]);
    expect(at(0, 10)).toEqual([200, 0, 0, 255]);
    expect(at(39, 0)).toEqual([0, 0, 100, 255]);
    for (const [x, y] of [
      [39, 9],
      [38, 10],
      [0, 1],
      [0, 29],
    ])
      expect(at(x, y)).toEqual([255, 255, 255, 255]);
  });

  it("draws selected points over the others, which fade", () => {
    const at = paint(
      [
        [10, 10],
        [12, 10],
        [30, 20],
      ],
      1,
      [1, 0, 0],
    );
    expect(at(11, 10)).toEqual([200, 0, 0, 255]);
    expect(at(30, 20)[1]).toBeGreaterThan(200);
  });
});

it("covers the area of a disc", () => {
  for (const diameter of [2, 5, 9.5])
    expect(disc(diameter).cover.reduce((a, b) => a + b)).toBeCloseTo((Math.PI * diameter ** 2) / 4, -1);
});

it("makes few points large and many points small", () => {
  expect(diameterOf(10, 1)).toBe(9);
  expect(diameterOf(100_000, 1)).toBeCloseTo(2.8);
  expect(diameterOf(100_000, 20)).toBeGreaterThan(6);
});
