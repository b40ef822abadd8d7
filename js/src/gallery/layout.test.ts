import { expect, test } from "vitest";
import { CAPTION_HEIGHT_PX, layoutTiles, rowsWithin, Scroll, TILE_GAP_PX } from "./layout";

const VIEW = 600;
const LINE = 160 + CAPTION_HEIGHT_PX + TILE_GAP_PX;

test("pictures fill the width and have about the requested size", () => {
  expect(layoutTiles(13, 6 * 168 + 8, 160)).toEqual({
    columns: 6,
    side: 160,
    lines: 3,
    line: LINE,
    height: 3 * LINE + TILE_GAP_PX,
  });
  expect(layoutTiles(13, 5.4 * 168 + 8, 160)).toMatchObject({ columns: 5, side: 173 });
  expect(layoutTiles(13, 5.6 * 168 + 8, 160)).toMatchObject({ columns: 6, side: 148 });
  expect(layoutTiles(1000, 50, 160)).toMatchObject({ columns: 1, side: 34 });
  expect(layoutTiles(0, 1000, 160).lines).toBe(0);
});

test("visible rows are the rows of every line that is at least partly visible", () => {
  const layout = layoutTiles(100, 6 * 168 + 8, 160);
  expect(rowsWithin(layout, 100, 0, VIEW)).toEqual({ start: 0, stop: 18 });
  expect(rowsWithin(layout, 100, TILE_GAP_PX + LINE, TILE_GAP_PX + 2 * LINE)).toEqual({ start: 6, stop: 12 });
  expect(rowsWithin(layout, 100, layout.height - 10, layout.height + VIEW)).toEqual({ start: 96, stop: 100 });
  expect(rowsWithin(layout, 100, -1000, -500)).toEqual({ start: 0, stop: 0 });
  expect(rowsWithin(layoutTiles(0, 500, 160), 0, 0, VIEW)).toEqual({ start: 0, stop: 0 });
});

test("the scroll position of a short column equals the bar", () => {
  const scroll = new Scroll();
  scroll.resize(50_000, VIEW);
  expect(scroll.length).toBe(50_000);
  scroll.move(1234);
  expect([scroll.top, scroll.shift]).toEqual([1234, 0]);
  expect(scroll.scrollTo(49_900)).toBe(49_400);
  expect(scroll.settle()).toBe(49_400);
});

const COLUMN_HEIGHT = 200_000 * LINE; // a million tiles, five on a line

function long(): Scroll {
  const scroll = new Scroll();
  scroll.resize(COLUMN_HEIGHT, VIEW);
  return scroll;
}

test("a column longer than any element can be scrolled to its last pixel, and to every line", () => {
  const scroll = long();
  expect(scroll.length).toBeLessThan(16_000_000);
  scroll.move(scroll.length - VIEW);
  expect(scroll.top).toBe(COLUMN_HEIGHT - VIEW);
  scroll.move(0);
  expect(scroll.top).toBe(0);
  for (const line of [0, 1, 77_777, 123_456, 199_990]) {
    scroll.scrollTo(line * LINE);
    expect(scroll.top).toBe(line * LINE);
    expect(line * LINE + scroll.shift).toBeCloseTo(scroll.settle(), 6); // it is drawn where the view begins
  }
});

test("in a long column the wheel moves by its own pixels, and the bar by its fraction of the whole", () => {
  const scroll = long();
  let bar = scroll.scrollTo(10_000_000);
  const { shift } = scroll;
  for (let i = 0; i < 20; i++) {
    bar += 100;
    scroll.move(bar);
  }
  expect(scroll.top).toBe(10_002_000);
  expect(scroll.shift).toBe(shift); // tiles that are drawn stay where they are
  scroll.move((scroll.length - VIEW) / 2);
  expect(scroll.top).toBeCloseTo((COLUMN_HEIGHT - VIEW) / 2, 0);
});

test("settling moves the bar, not the visible part", () => {
  const scroll = long();
  scroll.scrollTo(10_000_000);
  let bar = scroll.settle();
  for (let i = 0; i < 50; i++) {
    bar += 100;
    scroll.move(bar);
  }
  const { top } = scroll;
  const settled = scroll.settle();
  expect(settled).toBeLessThan(bar);
  expect(scroll.top).toBe(top);
  expect(scroll.move(settled)).toBe(false);
  expect(scroll.top).toBe(top);
});

test("a bar that reaches its end too early settles immediately", () => {
  const scroll = long();
  let bar = scroll.scrollTo(5_000);
  for (let i = 0; i < 5 && bar > 0; i++) {
    bar = Math.max(0, bar - 300);
    const mustSettle = scroll.move(bar);
    expect(mustSettle).toBe(bar === 0 && scroll.top > 1);
  }
  expect(scroll.top).toBeGreaterThan(0);
  expect(scroll.settle()).toBeGreaterThan(0);
});
