/** The spot of similar color around a click that the prediction ignores. */
import type { Box } from "../bitmap";
import { emptyGrid, type Grid, type Pixel, regionsAt } from "./grid";
import type { RgbImage } from "./predictor";

const COLOR_TOLERANCE = 12; // gray levels
const TEXTURE_RADIUS_PX = 2;

/** Return the editable pixels connected to `pixel`, near it and of similar color; as `_spot` in cdwidget/session/merge.py. */
export function similarSpot(image: RgbImage, box: Box, editable: Grid, [column, row]: Pixel, radius: number): Grid {
  const left = Math.max(0, column - radius);
  const top = Math.max(0, row - radius);
  const width = Math.min(editable.width, column + radius + 1) - left;
  const height = Math.min(editable.height, row + radius + 1) - top;
  const color = smooth(image, [box[0] + left, box[1] + top, box[0] + left + width, box[1] + top + height]);
  const [x0, y0] = [column - left, row - top];
  const center = 3 * (y0 * width + x0);
  const texture = variance(color, width, height, x0, y0);
  const near = emptyGrid(width, height);
  for (let y = 0, i = 0; y < height; y++) {
    for (let x = 0; x < width; x++, i++) {
      let difference = 0;
      for (let c = 0; c < 3; c++) difference += (color[3 * i + c] - color[center + c]) ** 2 / 3;
      const distance = ((y - y0) ** 2 + (x - x0) ** 2) / radius ** 2; // the farther, the more similar a pixel must be
      const isSimilar = difference / (COLOR_TOLERANCE ** 2 + texture) + distance <= 1;
      if (isSimilar && editable.data[(y + top) * editable.width + x + left]) near.data[i] = 1;
    }
  }
  const region = regionsAt(near, [[x0, y0]]);
  const spot = emptyGrid(editable.width, editable.height);
  for (let y = 0; y < height; y++)
    spot.data.set(region.data.subarray(y * width, (y + 1) * width), (y + top) * editable.width + left);
  return spot;
}

/** Return a part of the image, blurred by a Gaussian of 3x3 pixels, (height, width, 3). */
function smooth({ data, width: columns }: RgbImage, [x0, y0, x1, y1]: Box): Float32Array {
  const [width, height] = [x1 - x0, y1 - y0];
  const blurred = new Float32Array(3 * width * height);
  const mirrored = (i: number, size: number) => (size === 1 ? 0 : i < 0 ? -i : i >= size ? 2 * size - 2 - i : i);
  for (let y = 0, to = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < 3; c++, to++) {
        let sum = 0;
        for (let dy = -1; dy <= 1; dy++) {
          for (let dx = -1; dx <= 1; dx++) {
            const at = (y0 + mirrored(y + dy, height)) * columns + x0 + mirrored(x + dx, width);
            sum += data[3 * at + c] * (2 - Math.abs(dx)) * (2 - Math.abs(dy));
          }
        }
        blurred[to] = Math.floor((sum + 8) / 16);
      }
    }
  }
  return blurred;
}

/** Return the mean variance of the channels around a pixel. */
function variance(color: Float32Array, width: number, height: number, x0: number, y0: number): number {
  let total = 0;
  for (let c = 0; c < 3; c++) {
    const values: number[] = [];
    for (let y = Math.max(0, y0 - TEXTURE_RADIUS_PX); y <= Math.min(height - 1, y0 + TEXTURE_RADIUS_PX); y++) {
      for (let x = Math.max(0, x0 - TEXTURE_RADIUS_PX); x <= Math.min(width - 1, x0 + TEXTURE_RADIUS_PX); x++)
        values.push(color[3 * (y * width + x) + c]);
    }
    const mean = values.reduce((a, b) => a + b) / values.length;
    total += values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length / 3;
  }
  return total;
}
