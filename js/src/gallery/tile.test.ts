import { expect, test, vi } from "vitest";

vi.stubGlobal("document", {});
const { heatOf, shortened, titleOf } = await import("./tile");

test("what is wrong with a file is said without the folders it is in", () => {
  expect(shortened("there is no file /data/my photos/a b.png", "a b.png")).toBe("there is no file …/a b.png");
  expect(shortened("s3://bucket/long/key.jpg cannot be read: HTTP 403", "key.jpg")).toBe("…/key.jpg cannot be read: HTTP 403");
  expect(shortened("key.jpg is no image", "key.jpg")).toBe("key.jpg is no image");
  expect(shortened("there is no file /a/b (1).png; where the images were moved, say so", "b (1).png")).toBe("there is no file …/b (1).png");
  expect(shortened("/a/b.png cannot be read as an image (UnidentifiedImageError: no)", "b.png")).toBe("…/b.png cannot be read as an image");
  expect(shortened("the disk is full", "key.jpg")).toBe("the disk is full");
});

test("scores beyond their range have a colour too, and names are words", () => {
  expect([heatOf(2), heatOf(-1)]).toEqual([heatOf(1), heatOf(0)]);
  expect(titleOf("straight_cut")).toBe("straight cut");
});
