import { expect, test, vi } from "vitest";
import { Bitmap } from "./bitmap";
import { Outline, trace } from "./outline";

function loops(...rows: string[]) {
  const bits = Uint8Array.from(rows.join(""), (c) => (c === "#" ? 1 : 0));
  return trace({ box: [0, 0, rows[0].length, rows.length], bits });
}

function noise(seed: number) {
  let state = seed;
  return () => {
    state = (state * 16807) % 2147483647;
    return state / 2147483647;
  };
}

/** The pixels inside the loops, by the even-odd rule, as a canvas fills them. */
function filled(all: number[][], width: number, height: number) {
  return Array.from({ length: height }, (_, y) =>
    Array.from({ length: width }, (_, x) => {
      let crossings = 0;
      for (const loop of all) {
        for (let i = 0; i < loop.length; i += 2) {
          const j = (i + 2) % loop.length;
          const low = Math.min(loop[i + 1], loop[j + 1]);
          const high = Math.max(loop[i + 1], loop[j + 1]);
          if (loop[i] === loop[j] && loop[i] > x && low <= y && y < high) crossings++;
        }
      }
      return crossings % 2 ? "#" : ".";
    }).join(""),
  );
}

test("one pixel has four corners", () => {
  expect(loops("...", ".#.", "...")).toEqual([[2, 1, 2, 2, 1, 2, 1, 1]]);
});

test("a straight edge has no extra corners", () => {
  expect(loops("####", "####")[0]).toHaveLength(8);
});

test("a hole is a separate loop", () => {
  expect(loops("###", "#.#", "###")).toHaveLength(2);
});

test("pixels that touch at a corner are two loops", () => {
  expect(loops("#.", ".#")).toHaveLength(2);
});

test("the loops enclose exactly the pixels", () => {
  const random = noise(7);
  for (const share of [0.2, 0.5, 0.8]) {
    const rows = Array.from({ length: 17 }, () =>
      Array.from({ length: 23 }, () => (random() < share ? "#" : ".")).join(""),
    );
    expect(filled(loops(...rows), 23, 17)).toEqual(rows);
  }
});

test("an empty mask has no outline", () => {
  expect(loops("...")).toEqual([]);
});

/** The loops in a canonical order, each from its smallest corner. */
function normal(all: number[][]) {
  return all
    .map((loop) => {
      const corners = Array.from({ length: loop.length / 2 }, (_, i) => [loop[2 * i], loop[2 * i + 1]]);
      const first = corners.reduce(
        (best, [x, y], i) => (y < corners[best][1] || (y === corners[best][1] && x < corners[best][0]) ? i : best),
        0,
      );
      return JSON.stringify([...corners.slice(first), ...corners.slice(0, first)]);
    })
    .sort();
}

test("an updated outline equals a new one", () => {
  const drawn: number[][] = [];
  vi.stubGlobal(
    "Path2D",
    class {
      loop: number[] = [];
      moveTo(x: number, y: number) {
        this.loop.push(x, y);
      }
      lineTo(x: number, y: number) {
        this.loop.push(x, y);
      }
      closePath() {}
      addPath(other: { loop: number[] }) {
        drawn.push(other.loop);
      }
    },
  );
  const random = noise(3);
  const bitmap = new Bitmap();
  const outline = new Outline(bitmap);
  for (let i = 0; i < 300; i++) {
    const x = Math.floor(random() * 20);
    const y = Math.floor(random() * 20);
    const side = 1 + Math.floor(random() * 5);
    const box = [x, y, x + side, y + side] as const;
    bitmap.paint(
      { box, bits: Uint8Array.from({ length: side * side }, () => Number(random() < 0.7)) },
      Number(random() < 0.6),
    );
    outline.touch(box);
    drawn.length = 0;
    void outline.exact;
    expect(normal(drawn)).toEqual(normal(trace(bitmap)));
  }
  vi.unstubAllGlobals();
});
