import { beforeEach, expect, test, vi } from "vitest";
import type { ImageDocument } from "./document";
import { SimilarObjects } from "./similar";

vi.stubGlobal(
  "Path2D",
  class {
    moveTo() {}
    lineTo() {}
    closePath() {}
    addPath() {}
  },
);

const FULL = 0b11110000; // the four pixels of a 2 x 2 box
let requests: { op: string; fields: any }[];
let replies: Record<string, (fields: any) => unknown>;
let doc: ImageDocument;
let similar: SimilarObjects;

const reply = (...proposals: [number, number, number[]][]) => ({
  result: { proposals: proposals.map(([number, score, box]) => ({ number, score, box })) },
  buffers: proposals.map(() => new DataView(new Uint8Array([FULL]).buffer)),
});
const shown = () => similar.shown.map(({ number }) => number);

beforeEach(() => {
  requests = [];
  replies = {
    similar: () => reply([0, 0.9, [0, 0, 2, 2]], [1, 0.7, [1, 1, 3, 3]], [2, 0.2, [6, 6, 8, 8]]),
    reject_similar: () => reply([0, 0.6, [0, 0, 2, 2]]),
    take_similar: () => ({ result: {}, buffers: [] }),
  };
  doc = {
    image: { key: 1 },
    message: "",
    say() {},
    edit: (edit: () => unknown) => Promise.resolve(edit()),
    kernel: {
      async run(op: string, fields: unknown) {
        requests.push({ op, fields });
        return replies[op](fields);
      },
    },
  } as unknown as ImageDocument;
  similar = new SimilarObjects(doc, () => {});
});

test("only proposals above the limit are shown, hit and taken, all in one request", async () => {
  await similar.search([4]);
  expect(requests).toEqual([{ op: "similar", fields: { instances: [4], label: null } }]);
  expect(shown()).toEqual([0, 1]);
  expect(similar.at(1.5, 1.5)?.number).toBe(0); // the surest of two
  expect(similar.at(2.5, 2.5)?.number).toBe(1);
  expect(similar.at(6.5, 6.5)).toBeUndefined();
  similar.setMinScore(0.1);
  expect(shown()).toEqual([0, 1, 2]);
  similar.setMinScore(0.5);
  await similar.takeAll();
  expect(requests.slice(1)).toEqual([{ op: "take_similar", fields: { numbers: [0, 1], key: 1 } }]);
  expect(similar.isOpen).toBe(false);
});

test("a click takes one, a rejection updates the list, and nothing is taken without a press", async () => {
  await similar.search([4]);
  await similar.take([similar.shown[1]]);
  expect(shown()).toEqual([0]);
  await similar.reject(similar.shown[0]);
  expect(shown()).toEqual([0]); // ranked again by the kernel
  expect(similar.shown[0].score).toBe(0.6);
  similar.close();
  expect(requests.map(({ op }) => op)).toEqual(["similar", "take_similar", "reject_similar"]);
});

test("a proposal taken while the reply to a rejection is on its way is not shown again", async () => {
  await similar.search([4]);
  const [first, second] = similar.shown;
  replies.reject_similar = () => reply([1, 0.7, [1, 1, 3, 3]], [2, 0.6, [6, 6, 8, 8]]);
  const rejected = similar.reject(first);
  await similar.take([second]);
  await rejected;
  expect(shown()).toEqual([2]);
});

test("a double click on a proposal takes it once and is no press for the tool", async () => {
  await similar.search([4]);
  expect(similar.press(0.5, 0.5, false, false)).toBe(true);
  expect(similar.press(0.5, 0.5, false, true)).toBe(true);
  expect(similar.press(0.5, 0.5, false, false)).toBe(false);
  expect(requests.slice(1)).toEqual([{ op: "take_similar", fields: { numbers: [0], key: 1 } }]);
});

test("a reply for another image, or after the search was closed, is ignored", async () => {
  const leave = [
    () => similar.close(),
    () => {
      (doc.image as { key: number }).key = 2;
    },
  ];
  for (const left of leave) {
    const searched = similar.search([4]);
    left();
    await searched;
    expect(similar.isOpen).toBe(false);
    expect(similar.shown).toEqual([]);
  }
});

test("a failed search shows nothing", async () => {
  replies.similar = () => null;
  await similar.search([4]);
  expect(similar.isOpen).toBe(false);
});
