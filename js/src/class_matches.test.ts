import { expect, test } from "vitest";
import { matchLabels } from "./class_matches";

const LABELS = ["cat", "cattle", "dining table", "stop sign", "refrigerator", "traffic light"];

test("a few letters find a class: exact, then prefixes, words, parts and letters in order", () => {
  expect(matchLabels("refri", LABELS, [])).toEqual(["refrigerator"]);
  expect(matchLabels("CAT", LABELS, [])).toEqual(["cat", "cattle"]);
  expect(matchLabels("ta", LABELS, [])).toEqual(["dining table", "traffic light"]);
  expect(matchLabels("tl", LABELS, [])).toEqual(["cattle", "dining table", "traffic light"]);
  expect(matchLabels("xyz", LABELS, [])).toEqual([]);
});

test("of equally good classes those used last come first", () => {
  expect(matchLabels("", LABELS, ["stop sign", "cat"]).slice(0, 3)).toEqual(["stop sign", "cat", "cattle"]);
  expect(matchLabels("cat", LABELS, ["cattle"])).toEqual(["cat", "cattle"]);
});
