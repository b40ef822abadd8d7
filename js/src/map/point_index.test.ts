import { describe, expect, it } from "vitest";
import type { Point } from "../cover";
import { PointIndex, simplify } from "./point_index";

function random(seed: number) {
  let state = seed;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
}

/** Whether a position is inside a closed path, by the even-odd rule. */
function contains(path: Point[], x: number, y: number) {
  const crossed = path.filter(([ax, ay], i) => {
    const [bx, by] = path[(i + 1) % path.length];
    return ay > y !== by > y && x < ax + ((bx - ax) * (y - ay)) / (by - ay);
  });
  return crossed.length % 2 === 1;
}

function scatter(count: number) {
  const next = random(7);
  const x = Float32Array.from({ length: count }, next);
  const y = Float32Array.from({ length: count }, () => next() / 2);
  return new PointIndex(x, y);
}

describe("PointIndex", () => {
  it("scales the points to a thousand units, with a margin and no distortion", () => {
    const index = new PointIndex(Float32Array.of(-1, 1, 0), Float32Array.of(-0.5, 0.5, 0));
    expect([...index.x]).toEqual([30, 1030, 530]);
    expect([...index.y]).toEqual([30, 530, 280]);
    expect(index.size).toEqual({ width: 1060, height: 560 });
  });

  it("centers a single point, or several at one position", () => {
    for (const count of [1, 3]) {
      const index = new PointIndex(new Float32Array(count).fill(0.4), new Float32Array(count).fill(-0.7));
      expect(index.x[0]).toBeCloseTo(index.size.width / 2, 3);
      expect(index.y[0]).toBeCloseTo(index.size.height / 2, 3);
    }
    expect(new PointIndex(new Float32Array(), new Float32Array()).nearest(5, 5, 100)).toBeUndefined();
  });

  it("finds the same nearest point as an exhaustive search", () => {
    const index = scatter(3000);
    const next = random(3);
    for (let i = 0; i < 200; i++) {
      const x = next() * index.size.width;
      const y = next() * index.size.height;
      const radius = 3 + 20 * next();
      let best: number | undefined;
      let least = radius;
      for (let j = 0; j < index.count; j++) {
        const distance = Math.hypot(index.x[j] - x, index.y[j] - y);
        if (distance <= least) [best, least] = [j, distance];
      }
      expect(index.nearest(x, y, radius)).toBe(best);
    }
  });

  it("finds the same points inside a lasso as an exhaustive search, also if it leaves the map or crosses itself", () => {
    const index = scatter(2000);
    const paths: Point[][] = [
      [
        [100, 100],
        [700, 120],
        [400, 500],
      ],
      [
        [-500, -500],
        [500, 300],
        [2000, -100],
        [300, 900],
      ],
      [
        [100, 100],
        [800, 400],
        [800, 100],
        [100, 400],
      ],
    ];
    for (const path of paths) {
      const all = [...index.x.keys()].filter((i) => contains(path, index.x[i], index.y[i]));
      expect(all.length).toBeGreaterThan(20);
      expect(index.inside(path)).toEqual(all);
    }
    expect(
      index.inside([
        [0, 0],
        [900, 900],
      ]),
    ).toEqual([]);
  });
});

it("simplifies a path that was drawn slowly", () => {
  const path: Point[] = Array.from({ length: 101 }, (_, i) => [i, 0]);
  expect(simplify(path, 10).length).toBe(11);
});
