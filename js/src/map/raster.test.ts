import { describe, expect, it } from "vitest";
import { Places } from "./places";
import type { Points } from "./points";
import { diameterOf, disc, paintPoints, type Colour } from "./raster";

const WHITE: Colour = [255, 255, 255];

/** Points at places of a picture of 40 x 30 pixels, the camera's scale being 1. */
function paint(at: [number, number][], opacity = 1, chosen?: number[]) {
  const places = new Places(Float32Array.from(at, ([x]) => x), Float32Array.from(at, ([, y]) => y));
  at.forEach(([x, y], i) => [places.x[i], places.y[i]] = [x, y]);
  const points = { places, numbers: Uint8Array.from(at, (_, i) => i % 2), palette: [[200, 0, 0], [0, 0, 100]], chosen: Uint8Array.from(chosen ?? at.map(() => 0)), selected: chosen?.filter(Boolean) ?? [] };
  const data = new Uint8ClampedArray(4 * 40 * 30), picture = { data, width: 40, height: 30 } as ImageData;
  paintPoints(picture, points as unknown as Points, { scale: 1, x: 0, y: 0 }, 1, { ground: WHITE, opacity, diameter: 5 });
  return (x: number, y: number) => [...data.subarray(4 * (y * 40 + x), 4 * (y * 40 + x) + 4)];
}

describe("paintPoints", () => {
  it("draws discs on the ground, the later over the earlier", () => {
    const at = paint([[10, 10], [12, 10]]);
    expect(at(8, 10)).toEqual([200, 0, 0, 255]);
    expect(at(12, 10)).toEqual([0, 0, 100, 255]);
    expect(at(30, 20)).toEqual([255, 255, 255, 255]);
  });

  it("lets the ground through", () => {
    const [red, green] = paint([[10, 10]], 0.5)(10, 10);
    expect(red).toBeCloseTo(228, -1);
    expect(green).toBeCloseTo(128, -1);
  });

  it("cuts off at the border what reaches over it, and draws nothing on the other side", () => {
    const at = paint([[0, 10], [39, 0], [-50, 10], [20, 400]]);
    expect(at(0, 10)).toEqual([200, 0, 0, 255]);
    expect(at(39, 0)).toEqual([0, 0, 100, 255]);
    for (const [x, y] of [[39, 9], [38, 10], [0, 1], [0, 29]]) expect(at(x, y)).toEqual([255, 255, 255, 255]);
  });

  it("draws what is selected over the others, which fade", () => {
    const at = paint([[10, 10], [12, 10], [30, 20]], 1, [1, 0, 0]);
    expect(at(11, 10)).toEqual([200, 0, 0, 255]);
    expect(at(30, 20)[1]).toBeGreaterThan(200);
  });
});

it("covers as many pixels as a disc has", () => {
  for (const diameter of [2, 5, 9.5]) expect(disc(diameter).cover.reduce((a, b) => a + b)).toBeCloseTo((Math.PI * diameter ** 2) / 4, -1);
});

it("makes few points large, and many small", () => {
  expect(diameterOf(10, 1)).toBe(9);
  expect(diameterOf(100_000, 1)).toBeCloseTo(2.8);
  expect(diameterOf(100_000, 20)).toBeGreaterThan(6);
});
