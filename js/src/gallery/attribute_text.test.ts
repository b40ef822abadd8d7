import { expect, test } from "vitest";
import { choicesFor, enteredChoice } from "./assign";
import { attributeTexts, parseAttribute } from "./attribute_text";

const known = { occluded: [true], pose: ["left", "2"], lanes: [1, 2] };

test("every known value is offered, both values of a flag, and the removal", () => {
  expect(attributeTexts(known)).toEqual([
    ...["occluded: true", "occluded: false", "occluded: –"],
    ...["pose: left", "pose: 2", "pose: –"],
    ...["lanes: 1", "lanes: 2", "lanes: –"],
  ]);
});

test.each([
  ["occluded: false", { name: "occluded", value: false }],
  ["pose: 2", { name: "pose", value: "2" }],
  ["lanes: 3", { name: "lanes", value: 3 }],
  ["  note :  a: b ", { name: "note", value: "a: b" }],
  ["pose:", { name: "pose", value: null }],
  ["pose: –", { name: "pose", value: null }],
  ["pose", null],
  [": left", null],
])("%j means %j", (text, attribute) => {
  expect(parseAttribute(text, known)).toEqual(attribute);
});

test("a listed text means its own attribute, also if the name has a colon or is one of JavaScript's", () => {
  const odd = { "road: type": ["paved", " gravel "], constructor: [true] };
  for (const [at, attribute] of [
    { name: "road: type", value: "paved" },
    { name: "road: type", value: " gravel " },
    { name: "road: type", value: null },
    { name: "constructor", value: true },
  ].entries())
    expect(parseAttribute(attributeTexts(odd)[at], odd)).toEqual(attribute);
  expect(parseAttribute("constructor: 3", {})).toEqual({ name: "constructor", value: 3 });
});

test("typing finds a value, and only a text with a colon can be added", () => {
  const allows = (text: string) => parseAttribute(text, known) !== null;
  const texts = attributeTexts(known);
  expect(enteredChoice("occ", texts, allows)?.value).toBe("occluded: true");
  expect(choicesFor("weather", texts, allows)).toEqual([]);
  expect(choicesFor("weather: rain", texts, allows).at(-1)?.text).toBe("Add “weather: rain”");
});
