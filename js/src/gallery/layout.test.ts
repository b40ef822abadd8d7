import { expect, test } from "vitest";
import { FOOT, GAP, layout, rowsWithin, Scroll } from "./layout";

const VIEW = 600, LINE = 160 + FOOT + GAP;

test("pictures fill the width, and are about as large as was asked for", () => {
  expect(layout(13, 6 * 168 + 8, 160)).toEqual({ columns: 6, side: 160, lines: 3, line: LINE, height: 3 * LINE + GAP });
  expect(layout(13, 5.4 * 168 + 8, 160)).toMatchObject({ columns: 5, side: 173 });
  expect(layout(13, 5.6 * 168 + 8, 160)).toMatchObject({ columns: 6, side: 148 });
  expect(layout(1000, 50, 160)).toMatchObject({ columns: 1, side: 34 });
  expect(layout(0, 1000, 160).lines).toBe(0);
});

test("the rows in sight are those of every line that is touched", () => {
  const place = layout(100, 6 * 168 + 8, 160);
  expect(rowsWithin(place, 100, 0, VIEW)).toEqual({ start: 0, stop: 18 });
  expect(rowsWithin(place, 100, GAP + LINE, GAP + 2 * LINE)).toEqual({ start: 6, stop: 12 });
  expect(rowsWithin(place, 100, place.height - 10, place.height + VIEW)).toEqual({ start: 96, stop: 100 });
  expect(rowsWithin(place, 100, -1000, -500)).toEqual({ start: 0, stop: 0 });
  expect(rowsWithin(layout(0, 500, 160), 0, 0, VIEW)).toEqual({ start: 0, stop: 0 });
});

test("a short column scrolls as it is", () => {
  const scroll = new Scroll();
  scroll.resize(50_000, VIEW);
  expect(scroll.length).toBe(50_000);
  scroll.move(1234);
  expect([scroll.top, scroll.shift]).toEqual([1234, 0]);
  expect(scroll.look(49_900)).toBe(49_400);
  expect(scroll.settle()).toBe(49_400);
});

const WHOLE = 200_000 * LINE; // a million tiles, five on a line

function long(): Scroll {
  const scroll = new Scroll();
  scroll.resize(WHOLE, VIEW);
  return scroll;
}

test("a column that no element could hold is reached to its last pixel, and every line of it can be brought to the top", () => {
  const scroll = long();
  expect(scroll.length).toBeLessThan(16_000_000);
  scroll.move(scroll.length - VIEW);
  expect(scroll.top).toBe(WHOLE - VIEW);
  scroll.move(0);
  expect(scroll.top).toBe(0);
  for (const line of [0, 1, 77_777, 123_456, 199_990]) {
    scroll.look(line * LINE);
    expect(scroll.top).toBe(line * LINE);
    expect(line * LINE + scroll.shift).toBeCloseTo(scroll.settle(), 6); // it is drawn where the view begins
  }
});

test("there the wheel moves by as many pixels as elsewhere, and dragging the bar by its share of the whole", () => {
  const scroll = long();
  let bar = scroll.look(10_000_000);
  const { shift } = scroll;
  for (let i = 0; i < 20; i++) scroll.move((bar += 100));
  expect(scroll.top).toBe(10_002_000);
  expect(scroll.shift).toBe(shift); // tiles that are drawn stay where they are
  scroll.move((scroll.length - VIEW) / 2);
  expect(scroll.top).toBeCloseTo((WHOLE - VIEW) / 2, 0);
});

test("the bar comes to the place that fits, without moving what is seen", () => {
  const scroll = long();
  scroll.look(10_000_000);
  let bar = scroll.settle();
  for (let i = 0; i < 50; i++) scroll.move((bar += 100));
  const { top } = scroll, settled = scroll.settle();
  expect(settled).toBeLessThan(bar);
  expect(scroll.top).toBe(top);
  expect(scroll.move(settled)).toBe(false);
  expect(scroll.top).toBe(top);
});

test("where the bar has reached its end too early, it must settle at once", () => {
  const scroll = long();
  let bar = scroll.look(5_000);
  for (let i = 0; i < 5; i++) if (bar > 0) expect(scroll.move((bar = Math.max(0, bar - 300)))).toBe(bar === 0 && scroll.top > 1);
  expect(scroll.top).toBeGreaterThan(0);
  expect(scroll.settle()).toBeGreaterThan(0);
});
