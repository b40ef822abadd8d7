import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Prompt } from "../actions";
import type { Box } from "../bitmap";
import { granularityView } from "./views";

interface Case {
  width: number;
  height: number;
  prompts: Prompt[];
  granularity: number;
  view: Box;
}

const CASES: Case[] = JSON.parse(readFileSync("../tests/granularity_cases.json", "utf8"));

test.each(CASES)("a granularity has the view of Python: %o", ({ width, height, prompts, granularity, view }) => {
  expect(granularityView({ width, height }, prompts, granularity)).toEqual(view);
});
