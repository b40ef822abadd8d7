/** Painting, bottom to top: image, masks, flash, preview, dots. Sizes of lines and dots are CSS pixels at every zoom. */
import type { Camera, Size } from "./camera";
import { toScreen } from "./camera";
import type { Outline } from "./outline";
import type { Pyramid } from "./pyramid";
import type { Dot, Flash, Instance } from "./state";

const FLASH_MS = 450;
const BLOCKS_FROM = 4; // CSS pixels: larger image pixels are drawn as squares
const DOT_RADIUS = 7;

export function paintImage(ctx: CanvasRenderingContext2D, picture: Pyramid, image: Size, camera: Camera, ratio: number) {
  const width = image.width * camera.scale;
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.imageSmoothingEnabled = camera.scale < BLOCKS_FROM;
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture.level(width * ratio), camera.x, camera.y, width, image.height * camera.scale);
}

export interface Look { opacity: number; color(instance: Instance): string; selected: number }

export function paintMasks(ctx: CanvasRenderingContext2D, instances: Instance[], camera: Camera, ratio: number, look: Look) {
  onImage(ctx, camera, ratio);
  const ordered = [...instances].sort((a, b) => Number(a.id === look.selected) - Number(b.id === look.selected));
  for (const instance of ordered) {
    if (!instance.outline) continue;
    const path = pick(instance.outline, camera), current = instance.id === look.selected;
    ctx.globalAlpha = look.opacity * (current ? 1 : 0.7);
    ctx.fillStyle = look.color(instance);
    ctx.fill(path, "evenodd");
    stroke(ctx, path, camera, "rgba(0, 0, 0, 0.5)", current ? 4 : 2.5);
    stroke(ctx, path, camera, look.color(instance), current ? 2 : 1.25);
  }
}

/** What was added lights up, what was taken away darkens. Returns whether there is more to come. */
export function paintFlash(ctx: CanvasRenderingContext2D, flash: Flash, camera: Camera, ratio: number, now: number): boolean {
  const left = 1 - (now - flash.since) / FLASH_MS;
  if (left <= 0) return false;
  onImage(ctx, camera, ratio);
  ctx.globalAlpha = 0.65 * left;
  ctx.fillStyle = "#fff";
  ctx.fill(pick(flash.added, camera), "evenodd");
  ctx.fillStyle = "#b91c1c";
  ctx.fill(pick(flash.removed, camera), "evenodd");
  return true;
}

export function paintPreview(ctx: CanvasRenderingContext2D, preview: Outline, camera: Camera, ratio: number) {
  onImage(ctx, camera, ratio);
  const path = pick(preview, camera);
  stroke(ctx, path, camera, "rgba(0, 0, 0, 0.6)", 3);
  ctx.setLineDash([5 / camera.scale, 4 / camera.scale]);
  stroke(ctx, path, camera, "#fff", 1.5);
  ctx.setLineDash([]);
}

/** Plus in a disc, minus in a square: told apart without colour. A dot that waits for its answer has a turning ring. */
export function paintDot(ctx: CanvasRenderingContext2D, dot: Dot, camera: Camera, ratio: number, waits: boolean, now: number) {
  const [x, y] = toScreen(camera, dot.x, dot.y);
  ctx.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
  ctx.globalAlpha = 1;
  const r = DOT_RADIUS;
  ctx.beginPath();
  if (dot.positive) ctx.arc(0, 0, r, 0, 2 * Math.PI);
  else ctx.roundRect(-r + 0.5, -r + 0.5, 2 * r - 1, 2 * r - 1, 3);
  ctx.lineWidth = 4;
  ctx.strokeStyle = "rgba(0, 0, 0, 0.35)";
  ctx.stroke();
  ctx.fillStyle = dot.positive ? "#15803d" : "#dc2626";
  ctx.fill();
  ctx.lineWidth = 1.75;
  ctx.strokeStyle = "#fff";
  ctx.stroke();
  ctx.lineCap = "round";
  ctx.beginPath();
  ctx.moveTo(-3.25, 0);
  ctx.lineTo(3.25, 0);
  if (dot.positive) {
    ctx.moveTo(0, -3.25);
    ctx.lineTo(0, 3.25);
  }
  ctx.stroke();
  if (!waits) return;
  const turn = (now / 120) % (2 * Math.PI);
  ctx.beginPath();
  ctx.arc(0, 0, r + 4.5, turn, turn + 1.4 * Math.PI);
  ctx.lineWidth = 2;
  ctx.stroke();
}

function onImage(ctx: CanvasRenderingContext2D, camera: Camera, ratio: number) {
  const scale = camera.scale * ratio;
  ctx.setTransform(scale, 0, 0, scale, camera.x * ratio, camera.y * ratio);
  ctx.lineJoin = "round";
  ctx.lineCap = "butt";
}

function pick(outline: Outline, camera: Camera) {
  return camera.scale < BLOCKS_FROM ? outline.smooth : outline.exact;
}

function stroke(ctx: CanvasRenderingContext2D, path: Path2D, camera: Camera, color: string, width: number) {
  ctx.globalAlpha = 1;
  ctx.strokeStyle = color;
  ctx.lineWidth = width / camera.scale;
  ctx.stroke(path);
}
