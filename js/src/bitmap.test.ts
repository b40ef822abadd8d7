import { expect, test } from "vitest";
import { Bitmap, unpack, type Box } from "./bitmap";

const patch = (box: Box, text: string) => ({ box, bits: Uint8Array.from(text, (c) => Number(c)) });

test("unpack reads what numpy.packbits wrote", () => {
  // numpy.packbits(numpy.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]])) -> [0b10111000, 0b10000000]
  const packed = new DataView(Uint8Array.of(0b10111000, 0b10000000).buffer);
  expect([...unpack([5, 7, 8, 10], packed).bits]).toEqual([1, 0, 1, 1, 1, 0, 0, 0, 1]);
});

test("a patch changes its box only, and says what it added and removed", () => {
  const map = new Bitmap();
  map.write(patch([2, 2, 4, 4], "1111"));
  const change = map.compare(patch([3, 3, 6, 5], "011110"));
  map.write(patch([3, 3, 6, 5], "011110"));
  expect([...change.added.bits]).toEqual([0, 1, 1, 1, 1, 0]);
  expect([...change.removed.bits]).toEqual([1, 0, 0, 0, 0, 0]);
  expect(map.box).toEqual([2, 2, 6, 5]);
  const rows = [2, 3, 4].map((y) => [2, 3, 4, 5].map((x) => (map.at(x, y) ? "#" : ".")).join(""));
  expect(rows).toEqual(["##..", "#.##", ".##."]);
});

test("outside the box there is nothing", () => {
  const map = new Bitmap();
  map.write(patch([1, 1, 2, 2], "1"));
  expect([map.at(1, 1), map.at(0, 0), map.at(2, 1), map.at(-1, 1)]).toEqual([true, false, false, false]);
});

test("an empty patch changes nothing", () => {
  const map = new Bitmap();
  map.write(patch([1, 1, 2, 2], "1"));
  map.write(patch([0, 0, 0, 0], ""));
  expect(map.box).toEqual([1, 1, 2, 2]);
});
