import { beforeEach, expect, test, vi } from "vitest";
import { Bitmap } from "./bitmap";
import type { ImageDocument } from "./document";
import { Suggestions } from "./suggestions";

const FULL = 0b11110000; // the four pixels of a 2 x 2 box
let doc: any;
let asked: number[];
let replies: { number: number; reply(): void; fail(): void }[];
let suggestions: Suggestions;

const settle = () => new Promise((resolve) => setTimeout(resolve));
const areas = () => [...suggestions.loaded].map(([number, { box }]) => [number, box]);

beforeEach(() => {
  asked = [];
  replies = [];
  const bitmap = new Bitmap();
  bitmap.write({ box: [0, 0, 2, 2], bits: new Uint8Array(4).fill(1) });
  doc = {
    image: { key: 1 },
    current: { id: 3, bitmap },
    prompts: [{ type: "click", x: 1, y: 1, positive: true }],
    alternatives: { count: null, chosen: 0 },
    revision: 1,
    kernel: {
      request: (op: string, { action }: any) => {
        expect([op, action.type]).toEqual(["peek", "alternative"]);
        asked.push(action.number);
        return new Promise((resolve, reject) => {
          const { number } = action;
          const box = number ? [2 * number, 0, 2 * number + 2, 2] : [0, 0, 0, 0];
          const packed = new DataView(new Uint8Array(number ? [FULL] : []).buffer);
          replies.push({ number, reply: () => resolve({ result: { box }, buffers: [packed] }), fail: () => reject() });
        });
      },
    },
  };
  suggestions = new Suggestions(doc as ImageDocument, vi.fn());
});

async function answer(how: "reply" | "fail" = "reply") {
  replies.shift()?.[how]();
  await settle();
}

test("nothing is loaded before the first step", () => {
  suggestions.update();
  doc.alternatives = { count: 1, chosen: 0 };
  suggestions.update();
  expect(asked).toEqual([]);
});

test("the masks are loaded one by one, each once, as changes of the current one", async () => {
  doc.alternatives = { count: 3, chosen: 0 };
  suggestions.update();
  for (let i = 0; i < 3; i++) {
    suggestions.update(); // the view refreshes before the reply
    await answer();
  }
  expect(asked).toEqual([0, 1, 2]);
  expect(areas()).toEqual([
    [0, [0, 0, 2, 2]],
    [1, [0, 0, 4, 2]],
    [2, [0, 0, 6, 2]],
  ]);
});

test("a reply from before another step is loaded again", async () => {
  doc.alternatives = { count: 2, chosen: 0 };
  suggestions.update();
  doc.alternatives = { count: 2, chosen: 1 };
  doc.revision = 2;
  await answer();
  expect(asked).toEqual([0, 0]);
  expect(areas()).toEqual([]);
});

test("the next prompt has no suggestions of the one before", async () => {
  doc.alternatives = { count: 2, chosen: 0 };
  suggestions.update();
  await answer();
  doc.prompts = [...doc.prompts, { type: "click", x: 5, y: 5, positive: true }];
  doc.alternatives = { count: null, chosen: 0 };
  doc.revision = 2;
  suggestions.update();
  await answer();
  expect(areas()).toEqual([]);
  expect(asked).toEqual([0, 1]);
});

test("suggestions that cannot be loaded are not requested again", async () => {
  doc.alternatives = { count: 2, chosen: 0 };
  suggestions.update();
  await answer("fail");
  suggestions.update();
  expect(asked).toEqual([0]);
});
