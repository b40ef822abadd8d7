import { expect, test, vi } from "vitest";
import { Pyramid, type TilePart, tilesIn } from "./pyramid";

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
    { box: [7680, 5632, 8000, 6000], width: 320, height: 368, lossless: false },
  ]);
  expect(tilesIn([-500, -500, -1, -1], image, 1)).toEqual([]);
});

test("zoomed out, tiles are fewer and reduced, but have at least the pixels of the screen", () => {
  const tiles = tilesIn([0, 0, 8000, 6000], image, 0.3);
  expect(tiles.length).toBe(8 * 6);
  expect(tiles[0]).toEqual({ box: [0, 0, 1024, 1024], width: 512, height: 512, lossless: false });
});

const settle = () => new Promise((resolve) => setTimeout(resolve));

async function openPyramid() {
  const requested: TilePart[] = [];
  vi.stubGlobal(
    "createImageBitmap",
    async (_: unknown, { resizeWidth: width = 2000, resizeHeight: height = 1500 } = {}) => ({
      width,
      height,
      close() {},
    }),
  );
  vi.stubGlobal("Blob", class {});
  const fetchTile = async (part: TilePart) => {
    requested.push(part);
    return new Blob();
  };
  const pyramid = await Pyramid.decode(new Blob(), image, fetchTile, () => {});
  return { pyramid, requested };
}

test("the first picture is enough until it is magnified, so that opening needs no tiles", async () => {
  const { pyramid, requested } = await openPyramid();
  expect(pyramid.details([0, 0, 8000, 6000], 3000 / 8000)).toEqual([]);
  expect(requested).toEqual([]);
  pyramid.details([0, 0, 8000, 6000], 3100 / 8000);
  expect(requested.length).toBe(4); // the others follow when these have arrived
});

test("single pixels are fetched lossless, and the tile before is shown until they are here", async () => {
  const { pyramid, requested } = await openPyramid();
  const visible = [100, 100, 400, 300] as const;
  expect(pyramid.details(visible, 2)).toEqual([]);
  await settle();
  expect(pyramid.details(visible, 2).length).toBe(1);
  expect(pyramid.details(visible, 4).length).toBe(1);
  await settle();
  expect(pyramid.details(visible, 4).length).toBe(2);
  expect(requested.map(({ lossless }) => lossless)).toEqual([false, true]);
});
