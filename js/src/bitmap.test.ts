import { expect, test } from "vitest";
import { ADDED, Bitmap, type Box, difference, REMOVED, unpack } from "./bitmap";

const patch = (box: Box, text: string) => ({ box, bits: Uint8Array.from(text, (c) => Number(c)) });

test("unpack reads the output of numpy.packbits", () => {
  // numpy.packbits(numpy.array([[1, 0, 1], [1, 1, 0], [0, 0, 1]])) -> [0b10111000, 0b10000000]
  const packed = new DataView(Uint8Array.of(0b10111000, 0b10000000).buffer);
  expect([...unpack([5, 7, 8, 10], packed).bits]).toEqual([1, 0, 1, 1, 1, 0, 0, 0, 1]);
});

test("unpack handles bytes of only ones or zeros", () => {
  const packed = new DataView(Uint8Array.of(255, 0, 255, 0b10000000).buffer);
  expect(unpack([0, 0, 5, 5], packed).bits.join("")).toBe("1111111100000000111111111");
});

test("a patch changes only its box", () => {
  const map = new Bitmap();
  map.write(patch([2, 2, 4, 4], "1111"));
  map.write(patch([3, 3, 6, 5], "011110"));
  const rows = [2, 3, 4].map((y) => [2, 3, 4, 5].map((x) => (map.at(x, y) ? "#" : ".")).join(""));
  expect(rows).toEqual(["##..", "#.##", ".##."]);
  expect([...map.read([4, 3, 7, 5])]).toEqual([1, 1, 0, 1, 0, 0]);
});

test("painting keeps the pixels outside the patch", () => {
  const map = new Bitmap();
  map.write(patch([2, 2, 4, 4], "1001"));
  map.paint(patch([2, 2, 4, 4], "0110"), 1);
  map.paint(patch([3, 3, 300, 4], "1".padEnd(297, "0")), 0);
  expect([...map.read([2, 2, 4, 4])]).toEqual([1, 1, 1, 0]);
});

test("a difference has the added and removed pixels in the smallest box", () => {
  const bits = (text: string) => Uint8Array.from(text, Number);
  expect(difference([5, 5, 9, 8], bits("111100001111"), bits("111101001101"))).toEqual({
    box: [6, 6, 8, 8],
    bits: Uint8Array.of(ADDED, 0, 0, REMOVED),
  });
  expect(difference([0, 0, 2, 1], bits("10"), bits("10"))).toBeNull();
});

test("pixels outside the box are empty", () => {
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
