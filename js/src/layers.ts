/** The painted layers, bottom to top: image, masks, flash, and the previews of previews.ts. Line widths are CSS pixels at every zoom. */
import { ADDED, type Box, type Patch } from "./bitmap";
import { type Camera, type Size, toImage, toScreen } from "./camera";
import { context2d } from "./dom";
import type { Instance } from "./instance";
import type { Outline } from "./outline";
import type { Pyramid } from "./pyramid";

const FLASH_MS = 450;
const SQUARES_SCALE = 4; // CSS pixels per image pixel from which pixels are drawn as squares
const GRID_SCALE = 12; // CSS pixels per image pixel from which the grid is drawn
const MAX_FLASH_PIXELS = 1_000_000; // a larger change is shown at a lower resolution
const UNCONFIRMED_DASHES = [6, 4]; // CSS pixels, of the border of an unconfirmed object
const ADDED_ABGR = 0xffffffff;
const REMOVED_ABGR = 0xff1c1cb9; // little-endian ABGR

/** How single pixels are drawn. */
export interface PixelStyle {
  sharp: boolean; // whether pixels are squares at every zoom
  grid: boolean; // whether lines separate large pixels
}

export function paintImage(
  ctx: CanvasRenderingContext2D,
  picture: Pyramid,
  image: Size,
  camera: Camera,
  ratio: number,
  style: PixelStyle,
) {
  const width = image.width * camera.scale;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.imageSmoothingEnabled = camera.scale < SQUARES_SCALE && !style.sharp;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture.level(width * ratio), camera.x, camera.y, width, image.height * camera.scale);
  const { canvas } = ctx;
  const [left, top] = toImage(camera, 0, 0);
  const [right, bottom] = toImage(camera, canvas.width / ratio, canvas.height / ratio);
  for (const {
    box: [x0, y0, x1, y1],
    bitmap,
  } of picture.details([left, top, right, bottom], camera.scale * ratio)) {
    ctx.drawImage(bitmap, ...toScreen(camera, x0, y0), (x1 - x0) * camera.scale, (y1 - y0) * camera.scale);
  }
  if (style.grid && camera.scale >= GRID_SCALE) paintGrid(ctx, image, camera, ratio);
}

/** Draw lines between large pixels, which show the target of a one-pixel brush. */
function paintGrid(ctx: CanvasRenderingContext2D, image: Size, camera: Camera, ratio: number) {
  const { width, height } = ctx.canvas;
  const right = Math.min(width / ratio, camera.x + image.width * camera.scale);
  const left = Math.max(0, camera.x);
  const top = Math.max(0, camera.y);
  const bottom = Math.min(height / ratio, camera.y + image.height * camera.scale);
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

interface MaskStyle {
  opacity: number;
  color(instance: Instance): string;
  selected: number; // id of the object being edited
  isHighlighted(instance: Instance): boolean;
  onWhite: boolean; // everything but the objects is white
}

/** Paint white over everything that belongs to no object, by the alpha of the objects if they have one. */
function paintWhite(ctx: CanvasRenderingContext2D, instances: Instance[], camera: Camera) {
  ctx.save();
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.fillStyle = "#fff";
  ctx.fillRect(0, 0, ctx.canvas.width, ctx.canvas.height);
  ctx.restore();
  ctx.globalCompositeOperation = "destination-out";
  for (const instance of instances) {
    const soft = instance.soft("#fff");
    if (soft) ctx.drawImage(soft.picture, soft.box[0], soft.box[1]);
    else if (instance.outline) ctx.fill(pathOf(instance.outline, camera), "evenodd");
  }
  ctx.globalCompositeOperation = "source-over";
}

/** Paint the objects, the last one in front, then the border of the edited object and, in white, the borders of objects highlighted in the list. */
export function paintMasks(
  ctx: CanvasRenderingContext2D,
  instances: Instance[],
  camera: Camera,
  ratio: number,
  style: MaskStyle,
) {
  onImage(ctx, camera, ratio);
  ctx.globalAlpha = 1;
  if (style.onWhite) return paintWhite(ctx, instances, camera);
  const border = (instance: Instance, outline: Outline, strong: boolean) => {
    const path = pathOf(outline, camera);
    ctx.setLineDash(instance.confirmed ? [] : UNCONFIRMED_DASHES.map((length) => length / camera.scale));
    stroke(ctx, path, camera, "rgba(0, 0, 0, 0.5)", strong ? 4 : 2.5);
    stroke(ctx, path, camera, style.isHighlighted(instance) ? "#fff" : style.color(instance), strong ? 2 : 1.25);
    ctx.setLineDash([]);
  };
  const above: { instance: Instance; outline: Outline }[] = [];
  for (const instance of instances) {
    const { outline } = instance;
    if (!outline) continue;
    const current = instance.id === style.selected;
    ctx.globalAlpha = style.opacity * (current ? 1 : 0.7);
    ctx.fillStyle = style.color(instance);
    ctx.imageSmoothingEnabled = camera.scale < SQUARES_SCALE;
    const soft = instance.soft(style.color(instance));
    if (soft) ctx.drawImage(soft.picture, soft.box[0], soft.box[1]);
    else ctx.fill(pathOf(outline, camera), "evenodd");
    if (current || style.isHighlighted(instance)) above.push({ instance, outline });
    else border(instance, outline, false);
  }
  for (const { instance, outline } of above) border(instance, outline, true);
}

/** The change of a mask as a picture, so that a large change costs no more than a small one. */
export interface Flash {
  picture: OffscreenCanvas;
  box: Box;
  since: number; // ms, time of the change
  strength: number; // initial opacity
}

export function flashOf({ box, bits }: Patch, strength: number): Flash {
  const width = box[2] - box[0];
  const height = box[3] - box[1];
  const step = Math.ceil(Math.sqrt((width * height) / MAX_FLASH_PIXELS));
  const picture = new OffscreenCanvas(Math.ceil(width / step), Math.ceil(height / step));
  const ctx = context2d(picture);
  const pixels = ctx.createImageData(picture.width, picture.height);
  const colors = new Uint32Array(pixels.data.buffer);
  for (let y = 0, i = 0; y < height; y += step) {
    for (let x = 0; x < width; x += step, i++) {
      const bit = bits[y * width + x];
      if (bit) colors[i] = bit === ADDED ? ADDED_ABGR : REMOVED_ABGR;
    }
  }
  ctx.putImageData(pixels, 0, 0);
  return {
    picture,
    box: [box[0], box[1], box[0] + picture.width * step, box[1] + picture.height * step],
    since: performance.now(),
    strength,
  };
}

/** Flash added pixels in white and removed ones in red. Returns whether another frame is needed. */
export function paintFlash(
  ctx: CanvasRenderingContext2D,
  { picture, box, since, strength }: Flash,
  camera: Camera,
  ratio: number,
  now: number,
): boolean {
  const left = 1 - (now - since) / FLASH_MS;
  if (left <= 0) return false;
  onImage(ctx, camera, ratio);
  ctx.globalAlpha = strength * left;
  ctx.imageSmoothingEnabled = camera.scale < SQUARES_SCALE;
  ctx.drawImage(picture, box[0], box[1], box[2] - box[0], box[3] - box[1]);
  return true;
}

export function onImage(ctx: CanvasRenderingContext2D, camera: Camera, ratio: number) {
  const scale = camera.scale * ratio;
  ctx.setTransform(scale, 0, 0, scale, camera.x * ratio, camera.y * ratio);
  ctx.lineJoin = "round";
  ctx.lineCap = "butt";
}

/** Return the outline in the style for this zoom. */
export function pathOf(outline: Outline, camera: Camera) {
  return camera.scale < SQUARES_SCALE ? outline.smooth : outline.exact;
}

export function stroke(ctx: CanvasRenderingContext2D, path: Path2D, camera: Camera, color: string, width: number) {
  ctx.globalAlpha = 1;
  ctx.strokeStyle = color;
  ctx.lineWidth = width / camera.scale;
  ctx.stroke(path);
}
