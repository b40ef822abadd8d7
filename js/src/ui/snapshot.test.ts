import { expect, test } from "vitest";
import { jpegAddress } from "./snapshot";

/** A canvas whose JPEG has as many characters as its quality times `length`. */
const canvas = (length: number) => ({ toDataURL: (_type?: string, quality = 1) => "x".repeat(quality * length) });

test.each([
  [100_000, 75_000],
  [140_000, 70_000],
  [300_000, 75_000],
  [400_000, 0],
])("a picture of %i characters is kept with %i, and no older one in its place", (length, kept) => {
  expect(jpegAddress(canvas(length))).toHaveLength(kept);
});
