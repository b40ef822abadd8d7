import { expect, test } from "vitest";
import { tilesIn } from "./pyramid";

const image = { width: 8000, height: 6000 };

test("zoomed in, tiles have every pixel of the image and cover the visible part", () => {
  const tiles = tilesIn([1000, 500, 1600, 900], image, 2);
  expect(tiles.map((tile) => tile.box)).toEqual([
    [512, 0, 1024, 512],
    [1024, 0, 1536, 512],
    [1536, 0, 2048, 512],
    [512, 512, 1024, 1024],
    [1024, 512, 1536, 1024],
    [1536, 512, 2048, 1024],
  ]);
  expect(tiles.every((tile) => tile.width === 512 && tile.height === 512)).toBe(true);
});

test("tiles end at the border of the image", () => {
  expect(tilesIn([7900, 5900, 9000, 7000], image, 1)).toEqual([
    { name: "1 15 11", box: [7680, 5632, 8000, 6000], width: 320, height: 368 },
  ]);
  expect(tilesIn([-500, -500, -1, -1], image, 1)).toEqual([]);
});

test("zoomed out, tiles are fewer and reduced, but have at least the pixels of the screen", () => {
  const tiles = tilesIn([0, 0, 8000, 6000], image, 0.3);
  expect(tiles.length).toBe(8 * 6);
  expect(tiles[0]).toEqual({ name: "2 0 0", box: [0, 0, 1024, 1024], width: 512, height: 512 });
});
