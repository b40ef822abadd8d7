/** Painting, bottom to top: image, masks, flash; over them what previews.ts shows. Widths of lines are CSS pixels at every zoom. */
import { ADDED, type Box, type Patch } from "./bitmap";
import { toImage, toScreen, type Camera, type Size } from "./camera";
import type { Display } from "./display";
import type { Instance } from "./instance";
import type { Outline } from "./outline";
import type { Pyramid } from "./pyramid";

const FLASH_MS = 450;
const BLOCKS_FROM = 4; // CSS pixels: larger image pixels are drawn as squares
const GRID_FROM = 12; // CSS pixels of an image pixel
const MOST_FLASHING = 1_000_000; // pixels of the picture of a change; a larger one is shown coarser
const WHITE = 0xffffffff, RED = 0xff1c1cb9; // little-endian ABGR

export function paintImage(ctx: CanvasRenderingContext2D, picture: Pyramid, image: Size, camera: Camera, ratio: number, display: Pick<Display, "sharp" | "grid">) {
  const width = image.width * camera.scale;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.imageSmoothingEnabled = camera.scale < BLOCKS_FROM && !display.sharp;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture.level(width * ratio), camera.x, camera.y, width, image.height * camera.scale);
  const { canvas } = ctx, [left, top] = toImage(camera, 0, 0), [right, bottom] = toImage(camera, canvas.width / ratio, canvas.height / ratio);
  for (const { box: [x0, y0, x1, y1], bitmap } of picture.details([left, top, right, bottom], camera.scale * ratio)) {
    ctx.drawImage(bitmap, ...toScreen(camera, x0, y0), (x1 - x0) * camera.scale, (y1 - y0) * camera.scale);
  }
  if (display.grid && camera.scale >= GRID_FROM) paintGrid(ctx, image, camera, ratio);
}

/** A line between pixels that are large: what a brush of one pixel hits is seen. */
function paintGrid(ctx: CanvasRenderingContext2D, image: Size, camera: Camera, ratio: number) {
  const { width, height } = ctx.canvas, right = Math.min(width / ratio, camera.x + image.width * camera.scale);
  const left = Math.max(0, camera.x), top = Math.max(0, camera.y), bottom = Math.min(height / ratio, camera.y + image.height * camera.scale);
  const first = (offset: number) => (offset < 0 ? offset % camera.scale : offset);
  ctx.beginPath();
  for (let x = first(camera.x); x <= right; x += camera.scale) {
    ctx.moveTo(x, top);
    ctx.lineTo(x, bottom);
  }
  for (let y = first(camera.y); y <= bottom; y += camera.scale) {
    ctx.moveTo(left, y);
    ctx.lineTo(right, y);
  }
  ctx.strokeStyle = "rgba(128, 128, 128, 0.35)";
  ctx.lineWidth = 1 / ratio;
  ctx.stroke();
}

interface Look { opacity: number; color(instance: Instance): string; selected: number; pointed(instance: Instance): boolean }

/** In the order of the objects, the last in front; over them all the borders of the one being edited and, white, of those pointed at in the list. */
export function paintMasks(ctx: CanvasRenderingContext2D, instances: Instance[], camera: Camera, ratio: number, look: Look) {
  onImage(ctx, camera, ratio);
  const border = (instance: Instance, strong: boolean) => {
    const path = pick(instance.outline!, camera);
    stroke(ctx, path, camera, "rgba(0, 0, 0, 0.5)", strong ? 4 : 2.5);
    stroke(ctx, path, camera, look.pointed(instance) ? "#fff" : look.color(instance), strong ? 2 : 1.25);
  };
  const above: Instance[] = [];
  for (const instance of instances) {
    if (!instance.outline) continue;
    const current = instance.id === look.selected;
    ctx.globalAlpha = look.opacity * (current ? 1 : 0.7);
    ctx.fillStyle = look.color(instance);
    ctx.imageSmoothingEnabled = camera.scale < BLOCKS_FROM;
    const soft = instance.soft(look.color(instance));
    if (soft) ctx.drawImage(soft.picture, soft.box[0], soft.box[1]);
    else ctx.fill(pick(instance.outline, camera), "evenodd");
    if (current || look.pointed(instance)) above.push(instance);
    else border(instance, false);
  }
  for (const instance of above) border(instance, true);
}

/** Where a mask changed, as a picture: a large change costs no more than a small one. */
export interface Flash { picture: OffscreenCanvas; box: Box; since: number; strength: number }

export function flashOf({ box, bits }: Patch, strength: number): Flash {
  const width = box[2] - box[0], height = box[3] - box[1], step = Math.ceil(Math.sqrt((width * height) / MOST_FLASHING));
  const picture = new OffscreenCanvas(Math.ceil(width / step), Math.ceil(height / step)), ctx = picture.getContext("2d")!;
  const pixels = ctx.createImageData(picture.width, picture.height), colors = new Uint32Array(pixels.data.buffer);
  for (let y = 0, i = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step, i++) {
      const bit = bits[y * width + x];
      if (bit) colors[i] = bit === ADDED ? WHITE : RED;
    }
  }
  ctx.putImageData(pixels, 0, 0);
  return { picture, box: [box[0], box[1], box[0] + picture.width * step, box[1] + picture.height * step], since: performance.now(), strength };
}

/** What was added lights up, what was taken away darkens. Returns whether there is more to come. */
export function paintFlash(ctx: CanvasRenderingContext2D, { picture, box, since, strength }: Flash, camera: Camera, ratio: number, now: number): boolean {
  const left = 1 - (now - since) / FLASH_MS;
  if (left <= 0) return false;
  onImage(ctx, camera, ratio);
  ctx.globalAlpha = strength * left;
  ctx.imageSmoothingEnabled = camera.scale < BLOCKS_FROM;
  ctx.drawImage(picture, box[0], box[1], box[2] - box[0], box[3] - box[1]);
  return true;
}

export function onImage(ctx: CanvasRenderingContext2D, camera: Camera, ratio: number) {
  const scale = camera.scale * ratio;
  ctx.setTransform(scale, 0, 0, scale, camera.x * ratio, camera.y * ratio);
  ctx.lineJoin = "round";
  ctx.lineCap = "butt";
}

export function pick(outline: Outline, camera: Camera) {
  return camera.scale < BLOCKS_FROM ? outline.smooth : outline.exact;
}

export function stroke(ctx: CanvasRenderingContext2D, path: Path2D, camera: Camera, color: string, width: number) {
  ctx.globalAlpha = 1;
  ctx.strokeStyle = color;
  ctx.lineWidth = width / camera.scale;
  ctx.stroke(path);
}
