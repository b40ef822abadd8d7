import { expect, test } from "vitest";
import { BLOCK_SIZE, labelText, type Row, Rows } from "./rows";

const row = (id: number): Row => ({
  id,
  item: id,
  drawn: 0,
  number: 1,
  label: "cup",
  status: "new",
  score: 0.5,
  confidence: null,
  objects: null,
  name: "a.jpg",
  chips: [],
});
const block = (number: number) => Array.from({ length: BLOCK_SIZE }, (_, i) => row(1_000 + number * BLOCK_SIZE + i));

test("rows are found by index and by id; unknown ones are undefined", () => {
  const rows = new Rows(1, 10 * BLOCK_SIZE);
  rows.add(2, block(2));
  expect(rows.at(2 * BLOCK_SIZE + 5)?.id).toBe(1_000 + 2 * BLOCK_SIZE + 5);
  expect(rows.positionOf(1_000 + 2 * BLOCK_SIZE + 5)).toBe(2 * BLOCK_SIZE + 5);
  expect([rows.at(0), rows.find(1), rows.at(9_999)]).toEqual([undefined, undefined, undefined]);
  rows.update({ ...row(1_000 + 2 * BLOCK_SIZE), status: "accepted" });
  rows.update(row(7));
  expect([rows.at(2 * BLOCK_SIZE)?.status, rows.find(7)]).toEqual(["accepted", undefined]);
  rows.replace(1_000 + 2 * BLOCK_SIZE, row(9));
  rows.replace(7, row(8));
  expect([
    rows.at(2 * BLOCK_SIZE)?.id,
    rows.positionOf(9),
    rows.positionOf(1_000 + 2 * BLOCK_SIZE),
    rows.find(8),
  ]).toEqual([9, 2 * BLOCK_SIZE, undefined, undefined]);
});

test("blocksOf returns the blocks of a range within the list", () => {
  const rows = new Rows(1, 2 * BLOCK_SIZE + 10);
  expect(rows.blocksOf({ start: BLOCK_SIZE - 1, stop: BLOCK_SIZE + 1 })).toEqual([0, 1]);
  expect(rows.blocksOf({ start: -50, stop: 10 * BLOCK_SIZE })).toEqual([0, 1, 2]);
  expect(rows.blocksOf({ start: 0, stop: 0 })).toEqual([]);
});

test("the least recently used blocks are dropped", () => {
  const rows = new Rows(1, 1_000_000);
  rows.add(0, block(0));
  rows.add(1, block(1));
  for (let number = 2; number < 120; number++) {
    rows.blocksOf({ start: 0, stop: 1 });
    rows.add(number, block(number));
  }
  expect([rows.has(0), rows.has(1), rows.has(119)]).toEqual([true, false, true]);
  expect(rows.positionOf(1_000 + BLOCK_SIZE)).toBeUndefined();
});

test.each([
  ["cat", null, "cat"],
  ["", null, "no label"],
  ["", 0, "no objects"],
  ["", 1, "1 object"],
  ["", 12, "12 objects"],
])("a tile with the label %j and the object count %j is called %j", (label, objects, text) => {
  expect(labelText({ label, objects })).toBe(text);
});
