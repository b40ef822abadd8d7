import { expect, test } from "vitest";
import { Fetching } from "./fetching";

test("few at a time, and what is wanted no more is never asked for", async () => {
  let wanted = [1, 2, 3, 4];
  let over = 0;
  const asked: number[] = [], answers: (() => void)[] = [];
  const fetching = new Fetching(() => {
    const one = wanted.shift();
    return one === undefined ? null : () => {
      asked.push(one);
      return new Promise<void>((resolve) => answers.push(resolve));
    };
  }, () => { over++; });
  fetching.pump();
  fetching.pump();
  expect(asked).toEqual([1, 2]);
  wanted = [8, 9];
  answers[0]();
  await new Promise((resolve) => setTimeout(resolve));
  expect([asked, over, fetching.busy]).toEqual([[1, 2, 8], 1, true]);
});
