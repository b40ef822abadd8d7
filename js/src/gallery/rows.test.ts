import { expect, test } from "vitest";
import { BLOCK, Rows, type Row } from "./rows";

const row = (id: number): Row => ({ id, item: id, number: 1, label: "cup", status: "new", score: 0.5, name: "a.jpg", chips: [] });
const block = (number: number) => Array.from({ length: BLOCK }, (_, i) => row(1_000 + number * BLOCK + i));

test("rows are found by place and by id, and unknown ones are undefined", () => {
  const rows = new Rows(1, 10 * BLOCK);
  rows.take(2, block(2));
  expect(rows.at(2 * BLOCK + 5)?.id).toBe(1_000 + 2 * BLOCK + 5);
  expect(rows.place(1_000 + 2 * BLOCK + 5)).toBe(2 * BLOCK + 5);
  expect([rows.at(0), rows.find(1), rows.at(9_999)]).toEqual([undefined, undefined, undefined]);
  rows.update({ ...row(1_000 + 2 * BLOCK), status: "accepted" });
  rows.update(row(7));
  expect([rows.at(2 * BLOCK)?.status, rows.find(7)]).toEqual(["accepted", undefined]);
  rows.replace(1_000 + 2 * BLOCK, row(9));
  rows.replace(7, row(8));
  expect([rows.at(2 * BLOCK)?.id, rows.place(9), rows.place(1_000 + 2 * BLOCK), rows.find(8)]).toEqual([9, 2 * BLOCK, undefined, undefined]);
});

test("which blocks a range needs, within the list", () => {
  const rows = new Rows(1, 2 * BLOCK + 10);
  expect(rows.blocksOf({ start: BLOCK - 1, stop: BLOCK + 1 })).toEqual([0, 1]);
  expect(rows.blocksOf({ start: -50, stop: 10 * BLOCK })).toEqual([0, 1, 2]);
  expect(rows.blocksOf({ start: 0, stop: 0 })).toEqual([]);
});

test("what was not looked at for longest is forgotten", () => {
  const rows = new Rows(1, 1_000_000);
  rows.take(0, block(0));
  rows.take(1, block(1));
  for (let number = 2; number < 120; number++) {
    rows.blocksOf({ start: 0, stop: 1 });
    rows.take(number, block(number));
  }
  expect([rows.has(0), rows.has(1), rows.has(119)]).toEqual([true, false, true]);
  expect(rows.place(1_000 + BLOCK)).toBeUndefined();
});
