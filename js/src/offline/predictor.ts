/** CDNet as a predictor: views of the image, zooming in, a second pass and the focus view, as cdwidget/model/predictor.py. */
import type { Prompt } from "../actions";
import type { Box } from "../bitmap";
import type { Size } from "../camera";
import { boundsOf, emptyGrid, type Grid, sizeOf } from "./grid";
import type { Encoded, Network, Prediction } from "./network";
import { promptMaps } from "./prompts";
import { type Plane, resizeLinear, resizeToSquare } from "./resize";
import { focusBox, granularityView, objectCrop } from "./views";

const CACHED_VIEWS = 4; // of each size, 3 MB each
const GRANULARITIES = [0.25, 0.5]; // of the suggestions for a first prompt
const CELL_PX = 2; // view pixels per predicted probability
const MIN_CASCADE_CHANGE = 0.03; // a second pass runs if the first one changes more than this fraction of the object's pixels

export interface RgbImage extends Size {
  data: Uint8Array; // (height, width, 3)
}

export interface PredictedMasks {
  mask: Grid;
  alternatives: (() => Grid | Promise<Grid>)[]; // best first, computed when they are needed
}

interface Pass {
  box: Box;
  output: Prediction;
  cells: Float32Array; // probabilities of the view
  prob: Float32Array; // probabilities of the image
  outside: Float32Array | null; // probabilities around the view
}

export class Predictor {
  private readonly views = new Map<number, Map<string, Encoded>>(); // by size and box; the last used view is the last

  constructor(
    private readonly network: Pick<Network, "size" | "focusSize" | "clickRadius" | "encode" | "predict">,
    private readonly image: RgbImage,
  ) {}

  private get whole(): Box {
    return [0, 0, this.image.width, this.image.height];
  }

  /** Encode the whole image. */
  async encode() {
    await this.view(this.whole, this.network.size);
  }

  /** Predict for prompts. `prior` is the mask before the newest one, null if empty; `isSoft`: only the model has drawn it. */
  async predict(prompts: readonly Prompt[], prior: Grid | null, isSoft: boolean): Promise<PredictedMasks> {
    const { size } = this.network;
    let known: Float32Array | null = prior && new Float32Array(prior.data);
    let box = objectCrop(this.image, prior && boundsOf(prior), prompts);
    let outside: Float32Array | null = known;
    let first: Pass | null = null;
    if (isSame(box, this.whole)) {
      first = await this.run(box, prompts, known && this.plane(known, box), null, size);
      box = objectCrop(this.image, boundsOf(this.maskOf(first.prob)), prompts);
      if (!isSame(box, this.whole)) {
        outside = known ?? new Float32Array(first.prob.length);
        known ??= first.prob;
        first = null;
      }
    }
    first ??= await this.run(box, prompts, known && this.plane(known, box), outside, size);
    const before = isSoft ? prior : null;
    let last = first;
    let focused = before && (await this.focusOnChange(before, last, prompts));
    if (!focused && isSoft && changesMuch(known, first.prob)) {
      last = await this.run(box, prompts, square(first.cells), first.outside, size);
      focused = before && (await this.focusOnChange(before, last, prompts));
    }
    const granular = prior ? [] : GRANULARITIES.map((granularity) => once(() => this.predictAt(granularity, prompts)));
    return {
      mask: this.maskOf((focused ?? last).prob),
      alternatives: [...this.alternatives(first), ...granular],
    };
  }

  /** Predict the change of the newest prompt once more in its focus view; null if it has none. */
  private async focusOnChange(before: Grid, { prob, box }: Pass, prompts: readonly Prompt[]): Promise<Pass | null> {
    const { size, focusSize } = this.network;
    const scale = size / Math.max(box[2] - box[0], box[3] - box[1]);
    const focus = focusBox(before, this.maskOf(prob), prompts[prompts.length - 1], focusSize, scale);
    return focus && (await this.run(focus, prompts, this.plane(prob, focus), prob, focusSize));
  }

  /** Predict first prompts in the view of a granularity. */
  private async predictAt(granularity: number, prompts: readonly Prompt[]): Promise<Grid> {
    const { size } = this.network;
    const box = granularityView(this.image, prompts, granularity);
    const outside = new Float32Array(this.image.width * this.image.height);
    const first = await this.run(box, prompts, null, outside, size);
    const isUnsure = changesMuch(null, first.prob);
    return this.maskOf((isUnsure ? await this.run(box, prompts, square(first.cells), outside, size) : first).prob);
  }

  /** Return the masks of the latent heads, best first, computed when they are needed. */
  private alternatives({ output, box, outside }: Pass): (() => Grid)[] {
    const heads = output.logits.map((logits, i) => ({ logits, quality: output.quality[i] })).slice(1);
    heads.sort((a, b) => b.quality - a.quality);
    return heads.map(
      ({ logits }) =>
        () =>
          this.maskOf(this.toImage(logits.map(sigmoid), box, outside)),
    );
  }

  /** Run the network on one view; `prior` holds previous probabilities of the view.
   *
   * All heads run. To skip the latent ones in later passes, as Python does, would save 2 to 6 % of a pass and need another graph. */
  private async run(
    box: Box,
    prompts: readonly Prompt[],
    prior: Plane | null,
    outside: Float32Array | null,
    size: number,
  ): Promise<Pass> {
    const encoded = await this.view(box, size);
    const maps = new Float32Array(3 * size * size);
    for (const [i, map] of promptMaps(prompts, box, size, this.network.clickRadius).entries())
      maps.set(map.data, i * size * size);
    if (prior) maps.set(resizeToSquare(prior, size), 2 * size * size);
    const output = await this.network.predict(encoded, maps, size);
    const target = { width: size / CELL_PX, height: size / CELL_PX };
    const cells = resizeLinear(square(output.logits[0]), target).map(sigmoid);
    return { box, output, cells, prob: this.toImage(cells, box, outside), outside };
  }

  private async view(box: Box, size: number): Promise<Encoded> {
    const views = this.views.get(size) ?? new Map<string, Encoded>();
    this.views.set(size, views);
    const name = String(box);
    const encoded = views.get(name) ?? (await this.network.encode(this.pixels(box, size), size));
    views.delete(name);
    views.set(name, encoded);
    const [oldest] = views.keys();
    if (views.size > CACHED_VIEWS) views.delete(oldest);
    return encoded;
  }

  /** Return a part of the image as the network takes it, (3, size, size) in [0, 1]. */
  private pixels(box: Box, size: number): Float32Array {
    const { width, height } = sizeOf(box);
    const data = new Uint8Array(3 * width * height);
    for (let y = box[1], to = 0; y < box[3]; y++, to += 3 * width) {
      const from = 3 * (y * this.image.width + box[0]);
      data.set(this.image.data.subarray(from, from + 3 * width), to);
    }
    const colors = resizeToSquare({ width, height, channels: 3, data }, size);
    const planes = new Float32Array(colors.length);
    const cells = size * size;
    for (let i = 0; i < cells; i++) for (let c = 0; c < 3; c++) planes[c * cells + i] = colors[3 * i + c] / 255;
    return planes;
  }

  /** Resize values of a view and paste them into the image. */
  private toImage(values: Float32Array, box: Box, outside: Float32Array | null): Float32Array {
    const target = sizeOf(box);
    const inner = resizeLinear(square(values), target);
    if (!outside) return inner;
    const full = outside.slice();
    for (let y = box[1], from = 0; y < box[3]; y++, from += target.width)
      full.set(inner.subarray(from, from + target.width), y * this.image.width + box[0]);
    return full;
  }

  /** Return a part of probabilities of the image. */
  private plane(prob: Float32Array, box: Box): Plane {
    const { width, height } = sizeOf(box);
    const data = new Float32Array(width * height);
    for (let y = box[1], to = 0; y < box[3]; y++, to += width) {
      const from = y * this.image.width + box[0];
      data.set(prob.subarray(from, from + width), to);
    }
    return { width, height, channels: 1, data };
  }

  private maskOf(prob: Float32Array): Grid {
    const mask = emptyGrid(this.image.width, this.image.height);
    for (let i = 0; i < prob.length; i++) if (prob[i] > 0.5) mask.data[i] = 1;
    return mask;
  }
}

const sigmoid = (logit: number) => 1 / (1 + Math.exp(-logit));

function once<T>(compute: () => T): () => T {
  let result: T | undefined;
  return () => (result ??= compute());
}

function square(data: Float32Array): Plane {
  const side = Math.sqrt(data.length);
  return { width: side, height: side, channels: 1, data };
}

function isSame(a: Box, b: Box): boolean {
  return a.every((side, i) => side === b[i]);
}

function changesMuch(prior: Float32Array | null, prob: Float32Array): boolean {
  let [before, after, changed] = [0, 0, 0];
  for (let i = 0; i < prob.length; i++) {
    const old = prior !== null && prior[i] > 0.5;
    const now = prob[i] > 0.5;
    if (old) before++;
    if (now) after++;
    if (old !== now) changed++;
  }
  return changed > MIN_CASCADE_CHANGE * Math.max(before, after);
}
