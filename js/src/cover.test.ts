import { expect, test } from "vitest";
import casesFile from "../../tests/brush_cases.json";
import { Bitmap } from "./bitmap";
import { cover } from "./cover";

interface Case {
  name: string;
  width: number;
  height: number;
  action: { points: [number, number][]; radius: number };
  rle: { counts: number[] };
}

/** tests/test_tools_brush.py holds the kernel's brush to the same file. */
test.each(casesFile as unknown as Case[])("$name", ({ width, height, action, rle }) => {
  const covered = new Bitmap();
  for (const [i, to] of action.points.entries()) {
    covered.paint(cover(action.points[Math.max(0, i - 1)], to, action.radius, { width, height }), 1);
  }
  const bits = rle.counts.flatMap((count, i) => new Array<number>(count).fill(i % 2)); // column by column
  const rows = (at: (x: number, y: number) => number | boolean) =>
    Array.from({ length: height }, (_, y) => Array.from({ length: width }, (_, x) => (at(x, y) ? "#" : ".")).join(""));
  expect(rows((x, y) => covered.at(x, y))).toEqual(rows((x, y) => bits[x * height + y]));
});
