import { describe, expect, it } from "vitest";
import { Places, thinned, type Point } from "./places";

const random = (seed: number) => () => (seed = (seed * 16807) % 2147483647) / 2147483647;

/** Whether a closed path goes round a place, by the even-odd rule. */
function contains(path: Point[], x: number, y: number) {
  const crossed = path.filter(([ax, ay], i) => {
    const [bx, by] = path[(i + 1) % path.length];
    return ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay);
  });
  return crossed.length % 2 === 1;
}

function scatter(count: number) {
  const next = random(7), x = Float32Array.from({ length: count }, next), y = Float32Array.from({ length: count }, () => next() / 2);
  return new Places(x, y);
}

describe("Places", () => {
  it("lays the points out a thousand units wide, with a margin and no distortion", () => {
    const places = new Places(Float32Array.of(-1, 1, 0), Float32Array.of(-0.5, 0.5, 0));
    expect([...places.x]).toEqual([30, 1030, 530]);
    expect([...places.y]).toEqual([30, 530, 280]);
    expect(places.size).toEqual({ width: 1060, height: 560 });
  });

  it("puts one point, or several in one place, in the middle", () => {
    for (const count of [1, 3]) {
      const places = new Places(new Float32Array(count).fill(0.4), new Float32Array(count).fill(-0.7));
      expect(places.x[0]).toBeCloseTo(places.size.width / 2, 3);
      expect(places.y[0]).toBeCloseTo(places.size.height / 2, 3);
    }
    expect(new Places(new Float32Array(), new Float32Array()).nearest(5, 5, 100)).toBeUndefined();
  });

  it("finds the nearest point as a look at all of them does", () => {
    const places = scatter(3000), next = random(3);
    for (let i = 0; i < 200; i++) {
      const x = next() * places.size.width, y = next() * places.size.height, radius = 3 + 20 * next();
      let best: number | undefined, least = radius;
      for (let j = 0; j < places.count; j++) {
        const distance = Math.hypot(places.x[j] - x, places.y[j] - y);
        if (distance <= least) [best, least] = [j, distance];
      }
      expect(places.nearest(x, y, radius)).toBe(best);
    }
  });

  it("finds what is inside a lasso as a look at all points does, also where the lasso leaves the map or crosses itself", () => {
    const places = scatter(2000);
    const paths: Point[][] = [
      [[100, 100], [700, 120], [400, 500]],
      [[-500, -500], [500, 300], [2000, -100], [300, 900]],
      [[100, 100], [800, 400], [800, 100], [100, 400]],
    ];
    for (const path of paths) {
      const all = [...places.x.keys()].filter((i) => contains(path, places.x[i], places.y[i]));
      expect(all.length).toBeGreaterThan(20);
      expect(places.inside(path)).toEqual(all);
    }
    expect(places.inside([[0, 0], [900, 900]])).toEqual([]);
  });
});

it("thins a path that was drawn slowly", () => {
  const path: Point[] = Array.from({ length: 101 }, (_, i) => [i, 0]);
  expect(thinned(path, 10).length).toBe(11);
});
