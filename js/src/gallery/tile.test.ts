import { expect, test, vi } from "vitest";

vi.stubGlobal("document", {});
const { scoreColor, scoreTitle, shortenError, suspicion } = await import("./tile");
const { explanation } = await import("./status");
const { choicesFor, enteredChoice } = await import("./assign");

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
  expect(["straight_cut", "critic", "colour"].map(scoreTitle)).toEqual(["straight cut", "predicted quality", "color"]);
  expect(suspicion(0.708)).toBe("suspect 71 %");
});

test("a reason that names its number is shown without another one", () => {
  const reason = (text: string) => explanation({ name: "critic", value: 0.992, reason: text });
  expect(reason("Expected IoU 0.48 (99 % chance that it is below 0.85)")).not.toMatch(/^99/);
  expect(reason("99% of the outline is not on an image edge")).not.toMatch(/99 %/);
  expect(reason("frayed")).toBe("99 %  frayed");
  expect(reason("")).toBe("99 %");
});

test("typing finds a class, and a new one is offered last", () => {
  const texts = (typed: string) => choicesFor(typed, ["", "cat", "car", "dog"]).map(({ text }) => text);
  expect(texts("")).toEqual(["cat", "car", "dog"]);
  expect(texts("ca")).toEqual(["cat", "car", "Add “ca”"]);
  expect(texts("car")).toEqual(["car"]);
  expect(choicesFor(" bird ", ["cat"])).toEqual([{ value: "bird", text: "Add “bird”" }]);
  expect([" ", "ca", "bird"].map((typed) => enteredChoice(typed, ["cat"])?.value)).toEqual([undefined, "cat", "bird"]);
});
