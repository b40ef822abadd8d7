import { expect, test, vi } from "vitest";

vi.stubGlobal("document", {});
const { scoreColor, scoreTitle, shortenError, suspicion } = await import("./tile");

test("an error is shortened to the file name, without folders and advice", () => {
  expect(shortenError("there is no file /data/my photos/a b.png", "a b.png")).toBe("there is no file …/a b.png");
  expect(shortenError("s3://bucket/long/key.jpg cannot be read: HTTP 403", "key.jpg")).toBe(
    "…/key.jpg cannot be read: HTTP 403",
  );
  expect(shortenError("key.jpg is no image", "key.jpg")).toBe("key.jpg is no image");
  expect(shortenError("there is no file /a/b (1).png; where the images were moved, say so", "b (1).png")).toBe(
    "there is no file …/b (1).png",
  );
  expect(shortenError("/a/b.png cannot be read as an image (UnidentifiedImageError: no)", "b.png")).toBe(
    "…/b.png cannot be read as an image",
  );
  expect(shortenError("the disk is full", "key.jpg")).toBe("the disk is full");
});

test("scores out of range also have a color, and names become words", () => {
  expect([scoreColor(2), scoreColor(-1)]).toEqual([scoreColor(1), scoreColor(0)]);
  expect(scoreTitle("straight_cut")).toBe("straight cut");
  expect(suspicion(0.708)).toBe("suspect 71 %");
});
