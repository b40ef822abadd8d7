/** Points as pixels: a hundred thousand discs written into one picture, which costs less than as many calls of a canvas. */
import type { Camera } from "../camera";
import type { Points } from "./points";

export interface Look {
  ground: Colour; // what is behind the points
  opacity: number;
  diameter: number; // device pixels
}
export type Colour = readonly [red: number, green: number, blue: number];

const FADED = 0.16; // of the opacity, while others are selected

/** Fill a picture with the points under a camera; ratio: device pixels to a CSS pixel. */
export function paintPoints(picture: ImageData, points: Points, camera: Camera, ratio: number, look: Look) {
  const { places, numbers, palette, chosen, selected } = points, { data, width, height } = picture;
  const [red, green, blue] = look.ground, words = new Uint32Array(data.buffer);
  words.fill((255 << 24) | (blue << 16) | (green << 8) | red);
  const { cover, side } = disc(look.diameter), scale = camera.scale * ratio;
  const left = camera.x * ratio - side / 2, top = camera.y * ratio - side / 2;
  for (const turn of selected.length ? [0, 1] : [0]) { // the selected ones lie over the others
    for (let i = 0; i < places.count; i++) {
      if (selected.length && chosen[i] !== turn) continue;
      const x = Math.round(places.x[i] * scale + left), y = Math.round(places.y[i] * scale + top);
      if (x <= -side || y <= -side || x >= width || y >= height) continue;
      const [r, g, b] = palette[numbers[i]];
      const weight = selected.length && !turn ? look.opacity * FADED : look.opacity;
      const x1 = Math.min(side, width - x), y1 = Math.min(side, height - y);
      for (let row = Math.max(0, -y); row < y1; row++) {
        for (let column = Math.max(0, -x), at = 4 * ((y + row) * width + x + column); column < x1; column++, at += 4) {
          const share = cover[row * side + column] * weight;
          data[at] += (r - data[at]) * share;
          data[at + 1] += (g - data[at + 1]) * share;
          data[at + 2] += (b - data[at + 2]) * share;
        }
      }
    }
  }
}

/** How much of each pixel a disc covers, 0 to 1, in a square of `side` pixels. */
export function disc(diameter: number): { cover: Float32Array; side: number } {
  const side = Math.ceil(diameter) + 1, middle = (side - 1) / 2, cover = new Float32Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) cover[y * side + x] = Math.min(1, Math.max(0, diameter / 2 + 0.5 - Math.hypot(x - middle, y - middle)));
  }
  return { cover, side };
}

/** Points are large where there are few, and grow a bit when one looks closer; CSS pixels. */
export function diameterOf(count: number, zoom: number): number {
  const many = Math.min(1, Math.max(0, (Math.log10(Math.max(1, count)) - 2) / 3)); // a hundred: 0, a hundred thousand: 1
  return Math.min(18, (9 - 6.2 * many) * Math.max(1, zoom) ** 0.35);
}
