import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Action } from "../actions";
import { documentOf } from "./opened_image";
import type { GivenInstance } from "./page_data";
import { fromBase64 } from "./payload";
import type { PredictedMasks } from "./predictor";
import { decodeRle, encodeRle, type Rle } from "./rle";
import { Session } from "./session";

interface Case {
  name: string;
  image: string; // base64 of (height, width, 3)
  predictions: Rle[][];
  log: { width: number; height: number; instances: GivenInstance[]; actions: (Action & { progressive?: boolean })[] };
  instances: GivenInstance[];
}

const CASES: Case[] = JSON.parse(readFileSync("../tests/page_cases.json", "utf8"));

/** Open a session whose predictor returns the given masks, one after the other. */
function open({ image, predictions, log }: Case) {
  const { width, height } = log;
  const masks = predictions.map((rles): PredictedMasks => {
    const [mask, ...others] = rles.map((rle) => {
      const whole = new Uint8Array(width * height);
      const { box, mask } = decodeRle(rle, log, 1);
      for (let y = box[1], i = 0; y < box[3]; y++)
        for (let x = box[0]; x < box[2]; x++, i++) whole[y * width + x] = mask[i];
      return { width, height, data: whole };
    });
    return { mask, alternatives: others.map((other) => () => other) };
  });
  const predictor = { predict: async () => masks.shift()! };
  const pixels = { width, height, data: fromBase64(image) };
  return new Session(documentOf(log, log.instances), pixels, predictor, "");
}

function instancesOf({ document }: Session): GivenInstance[] {
  const drawn = document.state.entries.filter(({ id }) => document.hasPixels(id));
  return drawn.map(({ id, label }) => ({ id, label, mask: encodeRle(document.pixelsOf(id), document.image) }));
}

describe("a session of the page", () => {
  test.each(CASES)("$name has the masks of Python, and undo and redo are exact", async (one) => {
    const session = open(one);
    const before = instancesOf(session);
    for (const { progressive: _, ...action } of one.log.actions) await session.apply(action as Action);
    expect(instancesOf(session)).toEqual(one.instances);
    while (session.undo());
    expect(instancesOf(session)).toEqual(before);
    while (session.redo());
    expect(instancesOf(session)).toEqual(one.instances);
  });
});
