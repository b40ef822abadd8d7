/** Manual tools and commands on a mask; as cdwidget/tools. */
import type { Actions } from "../actions";
import { type Box, EMPTY_BOX, isEmpty, union } from "../bitmap";
import { cover, type Point } from "../cover";
import {
  boundsOf,
  crop,
  emptyGrid,
  expand,
  type Grid,
  gridOf,
  isAny,
  parts,
  regionsAt,
  sizeOf,
  squaredDistanceTo,
} from "./grid";
import { editOf, NO_EDIT, type PixelEdit } from "./merge";
import type { RgbImage } from "./predictor";
import type { Source } from "./state";

interface ManualTool<Type extends keyof Actions> {
  source: Source;
  run(mask: Grid, action: Actions[Type], image: RgbImage): PixelEdit;
}

export const MANUAL_ACTIONS: { [Type in keyof Actions]?: ManualTool<Type> } = {
  brush: { source: "brush", run: (mask, { points, radius, add }) => drawBrush(mask, points, radius, add) },
  polygon: { source: "polygon", run: (mask, { points, add }) => fillPolygon(mask, points, add) },
  lasso: { source: "lasso", run: (mask, { points, add }) => fillPolygon(mask, points, add) },
  wand: { source: "wand", run: selectRegion },
  fill_holes: { source: "command", run: fillHoles },
  keep_largest: { source: "command", run: keepLargest },
  smooth: {
    source: "command",
    run: (mask, { radius }) =>
      morph(mask, Math.ceil(radius) + 1, (part) => shrunk(grown(grown(shrunk(part, radius), radius), radius), radius)),
  },
  grow: {
    source: "command",
    run: (mask, { pixels }) => morph(mask, Math.ceil(pixels), (part) => grown(part, pixels)),
  },
  shrink: { source: "command", run: (mask, { pixels }) => morph(mask, 1, (part) => shrunk(part, pixels)) },
};

function drawBrush(mask: Grid, points: readonly Point[], radius: number, add: boolean): PixelEdit {
  const runs = points.map((point, i) => cover(points[Math.max(0, i - 1)], point, radius, mask));
  const box = runs.map((run) => run.box).reduce(union, EMPTY_BOX);
  const { width, height } = sizeOf(box);
  const drawn = emptyGrid(width, height);
  for (const {
    box: [x0, y0, x1, y1],
    bits,
  } of runs) {
    for (let y = y0, i = 0; y < y1; y++)
      for (let x = x0; x < x1; x++, i++) if (bits[i]) drawn.data[(y - box[1]) * width + x - box[0]] = 1;
  }
  return editOf(drawn, box, add ? 1 : 0);
}

/** Set the pixels whose centers are inside, by the even-odd rule; a center on an edge counts as right of it, or below. */
function fillPolygon(mask: Grid, points: readonly Point[], add: boolean): PixelEdit {
  const box = expand(points.map(([x, y]): Box => [x, y, x, y]).reduce(around), 0, mask);
  if (isEmpty(box)) return NO_EDIT;
  const { width, height } = sizeOf(box);
  const inside = emptyGrid(width, height);
  for (const [i, from] of points.entries()) {
    const to = points[(i + 1) % points.length];
    const [[ax, ay], [bx, by]] = from[1] > to[1] ? [to, from] : [from, to];
    const slope = (bx - box[0] - (ax - box[0])) / (by - box[1] - (ay - box[1]));
    const clip = (y: number) => Math.min(Math.max(Math.ceil(y - box[1] - 0.5), 0), height);
    for (let row = clip(ay); row < clip(by); row++) {
      const x = ax - box[0] + (row + 0.5 - (ay - box[1])) * slope;
      const column = Math.min(Math.max(Math.ceil(x - 0.5), 0), width);
      if (column < width) inside.data[row * width + column] ^= 1;
    }
  }
  for (let i = 0; i < inside.data.length; i++) if (i % width) inside.data[i] ^= inside.data[i - 1];
  return editOf(inside, box, add ? 1 : 0);
}

function around(a: Box, b: Box): Box {
  return [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
}

/** Set the region of similar color around a pixel. */
function selectRegion(mask: Grid, { x, y, tolerance, add }: Actions["wand"], { data }: RgbImage): PixelEdit {
  const seed = [Math.floor(x), Math.floor(y)] as const;
  const at = 3 * (seed[1] * mask.width + seed[0]);
  const limit = Math.floor(tolerance);
  const isSimilar = (i: number) => [0, 1, 2].every((c) => Math.abs(data[3 * i + c] - data[at + c]) <= limit);
  const region = regionsAt(gridOf(mask, isSimilar), [seed], 4);
  return editOf(region, [0, 0, mask.width, mask.height], add ? 1 : 0);
}

function fillHoles(mask: Grid): PixelEdit {
  return morph(mask, 0, (part) => {
    const { width, height } = part;
    const padded = { width: width + 2, height: height + 2 };
    const isFree = (i: number) => {
      const [x, y] = [(i % padded.width) - 1, Math.floor(i / padded.width) - 1];
      return x < 0 || y < 0 || x >= width || y >= height || !part.data[y * width + x];
    };
    const outside = regionsAt(gridOf(padded, isFree), [[0, 0]], 4);
    return gridOf(part, (i) => !outside.data[(Math.floor(i / width) + 1) * padded.width + (i % width) + 1]);
  });
}

function keepLargest(mask: Grid): PixelEdit {
  return morph(mask, 0, (part) => {
    const { owner, areas } = parts(part);
    const largest = areas.indexOf(Math.max(...areas));
    return gridOf(part, (i) => owner[i] === largest);
  });
}

/** Replace the mask in its box with a margin. */
function morph(mask: Grid, margin: number, change: (part: Grid) => Grid): PixelEdit {
  const own = boundsOf(mask);
  if (isEmpty(own)) return NO_EDIT;
  const box = expand(own, margin, mask);
  const before = crop(mask, box);
  const after = change(before).data;
  return { box, where: before.data.map((value, i) => value ^ after[i]), pixels: after };
}

/** Return the pixels at most `radius` from the mask. */
function grown(mask: Grid, radius: number): Grid {
  if (!isAny(mask)) return mask;
  const squared = squaredDistanceTo(mask);
  return gridOf(mask, (i) => squared[i] <= Math.floor(radius * radius));
}

/** Return the pixels of the mask that are farther than `radius` from all others. */
function shrunk(mask: Grid, radius: number): Grid {
  return inverted(grown(inverted(mask), radius));
}

function inverted(mask: Grid): Grid {
  return gridOf(mask, (i) => !mask.data[i]);
}
