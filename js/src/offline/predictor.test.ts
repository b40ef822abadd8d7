import { expect, test } from "vitest";
import type { Prompt } from "../actions";
import { gridOf } from "./grid";
import type { Encoded, Prediction } from "./network";
import { Predictor } from "./predictor";

const SIZE = { width: 320, height: 320 }; // of the image

/** A network that predicts the previous mask with the disks of positive clicks and without those of negative ones. */
class DiskNetwork {
  readonly size = 64;
  readonly focusSize = 48;
  readonly clickRadius = 4;
  encoded: number[] = []; // size of each encoded view

  async encode(_image: Float32Array, size: number): Promise<Encoded> {
    this.encoded.push(size);
    return [];
  }

  async predict(_encoded: Encoded, maps: Float32Array, size: number): Promise<Prediction> {
    const side = size / 4;
    const logits = new Float32Array(side * side).map((_, i) => {
      const at = (4 * Math.floor(i / side) + 2) * size + 4 * (i % side) + 2;
      const [positive, negative, previous] = [0, 1, 2].map((map) => maps[map * size * size + at]);
      return (positive || previous > 0.5) && !negative ? 5 : -5;
    });
    return { logits: [logits], quality: new Float32Array(1) };
  }
}

test("focus views do not displace the views of the object", async () => {
  const network = new DiskNetwork();
  const predictor = new Predictor(network, { ...SIZE, data: new Uint8Array(3 * SIZE.width * SIZE.height) });
  const square = gridOf(SIZE, (i) => Math.abs((i % 320) - 160) < 35 && Math.abs(i / 320 - 160) < 35);
  const click = (x: number, positive: boolean): Prompt => ({ type: "click", x, y: 160, positive });
  await predictor.encode();
  for (let x = 128; x < 194; x += 4) await predictor.predict([click(160, true), click(x, false)], square, true);
  expect(network.encoded.filter((size) => size === network.focusSize).length).toBeGreaterThan(8);
  network.encoded = [];
  await predictor.encode();
  expect(network.encoded).toEqual([]);
});
