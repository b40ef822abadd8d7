/** The previews of gestures and pointers. Sizes of lines, dots and handles are CSS pixels at every zoom. */
import { type Camera, toScreen } from "./camera";
import type { Point } from "./cover";
import { onImage, pathOf, stroke } from "./layers";
import type { Outline } from "./outline";
import type { Preview, Tone } from "./tools/tool";

type Ctx = CanvasRenderingContext2D;
type PreviewOf<Kind extends Preview["kind"]> = Extract<Preview, { kind: Kind }>;

/** The state of the stage while it is painted. */
export interface PaintState {
  camera: Camera;
  ratio: number; // device pixels per CSS pixel
  isPending: boolean; // the gesture is over, and the kernel has not replied
  now: number; // ms, for animations
}

const DOT_RADIUS_PX = 7;
const HANDLE_RADIUS_PX = 4;
const HALO_COLOR = "rgba(0, 0, 0, 0.6)";
const TONE_COLORS: Record<Tone, string> = { add: "#4ade80", remove: "#f87171", matte: "#c084fc" };

const PAINTERS: { [Kind in Preview["kind"]]: (ctx: Ctx, preview: PreviewOf<Kind>, state: PaintState) => void } = {
  dot: paintDot,
  box: paintBox,
  line: paintLine,
  ring: paintRing,
  path: paintPath,
  region: paintRegion,
  cross: paintCross,
  label: paintLabel,
};

export function paintPreview(ctx: Ctx, preview: Preview, state: PaintState) {
  ctx.globalAlpha = 1;
  (PAINTERS[preview.kind] as (ctx: Ctx, preview: Preview, state: PaintState) => void)(ctx, preview, state);
}

/** Draw a dashed border around the pixels that an action would change. */
export function paintChange(ctx: Ctx, outline: Outline, { camera, ratio }: PaintState) {
  onImage(ctx, camera, ratio);
  const path = pathOf(outline, camera);
  stroke(ctx, path, camera, HALO_COLOR, 3);
  ctx.setLineDash([5 / camera.scale, 4 / camera.scale]);
  stroke(ctx, path, camera, "#fff", 1.5);
  ctx.setLineDash([]);
}

function paintRegion(ctx: Ctx, { outline, tone }: PreviewOf<"region">, { camera, ratio }: PaintState) {
  onImage(ctx, camera, ratio);
  const path = pathOf(outline, camera);
  ctx.globalAlpha = 0.2;
  ctx.fillStyle = TONE_COLORS[tone];
  ctx.fill(path, "evenodd");
  stroke(ctx, path, camera, HALO_COLOR, 3.5);
  stroke(ctx, path, camera, TONE_COLORS[tone], 1.75);
}

function paintCross(ctx: Ctx, { x, y }: PreviewOf<"cross">, { camera, ratio }: PaintState) {
  onScreen(ctx, ratio);
  const [sx, sy] = toScreen(camera, x, y).map((value) => Math.round(value * ratio) / ratio);
  ctx.beginPath();
  ctx.moveTo(0, sy);
  ctx.lineTo(ctx.canvas.width / ratio, sy);
  ctx.moveTo(sx, 0);
  ctx.lineTo(sx, ctx.canvas.height / ratio);
  ctx.globalAlpha = 0.7;
  strokeWithHalo(ctx, "#fff", 1);
  ctx.globalAlpha = 1;
}

function paintLabel(ctx: Ctx, { x, y, text }: PreviewOf<"label">, { camera, ratio }: PaintState) {
  const [sx, sy] = toScreen(camera, x, y);
  ctx.setTransform(ratio, 0, 0, ratio, sx * ratio, sy * ratio);
  traceSign(ctx, true, 5);
  strokeWithHalo(ctx, "#fff", 2);
  ctx.font = "12px system-ui, sans-serif";
  const width = ctx.measureText(text).width + 16;
  ctx.beginPath();
  ctx.roundRect(12, -30, width, 22, 11);
  ctx.fillStyle = "rgba(17, 20, 24, 0.8)";
  ctx.fill();
  ctx.fillStyle = "#fff";
  ctx.textBaseline = "middle";
  ctx.fillText(text, 20, -18.5);
}

/** Draw a plus in a disc or a minus in a square, so that they differ not only in color. A pending dot has a turning ring. */
function paintDot(ctx: Ctx, dot: PreviewOf<"dot">, { camera, ratio, isPending, now }: PaintState) {
  const [x, y] = toScreen(camera, dot.x, dot.y);
  ctx.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
  const r = DOT_RADIUS_PX;
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
  traceSign(ctx, dot.positive, 3.25);
  ctx.stroke();
  if (!isPending) return;
  const turn = (now / 120) % (2 * Math.PI);
  ctx.beginPath();
  ctx.arc(0, 0, r + 4.5, turn, turn + 1.4 * Math.PI);
  ctx.lineWidth = 2;
  ctx.stroke();
}

function paintBox(ctx: Ctx, { x0, y0, x1, y1 }: PreviewOf<"box">, { camera, ratio, isPending, now }: PaintState) {
  onScreen(ctx, ratio);
  const [left, top] = toScreen(camera, x0, y0);
  const [right, bottom] = toScreen(camera, x1, y1);
  ctx.beginPath();
  ctx.rect(left, top, right - left, bottom - top);
  if (isPending) setMovingDashes(ctx, now);
  strokeWithHalo(ctx, TONE_COLORS.add, 1.75);
  ctx.setLineDash([]);
}

/** Draw a band as wide as the stroke; without a radius, a thin line. */
function paintLine(
  ctx: Ctx,
  { points, radius, tone }: PreviewOf<"line">,
  { camera, ratio, isPending, now }: PaintState,
) {
  onScreen(ctx, ratio);
  ctx.lineCap = "round";
  tracePoints(ctx, points, camera);
  if (!radius) return strokeWithHalo(ctx, TONE_COLORS[tone], 1.75);
  if (points.length === 1) ctx.lineTo(...toScreen(camera, ...points[0]));
  ctx.globalAlpha = isPending ? 0.45 + 0.12 * Math.sin(now / 150) : 0.55;
  ctx.lineWidth = Math.max(3, 2 * radius * camera.scale);
  ctx.strokeStyle = TONE_COLORS[tone];
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** Draw a ring of the size of the brush, with its sign inside or, if the ring is small, next to it. */
function paintRing(ctx: Ctx, { x, y, radius, tone }: PreviewOf<"ring">, { camera, ratio }: PaintState) {
  const [sx, sy] = toScreen(camera, x, y);
  const r = radius * camera.scale;
  ctx.setTransform(ratio, 0, 0, ratio, sx * ratio, sy * ratio);
  ctx.beginPath();
  ctx.arc(0, 0, Math.max(r, 1), 0, 2 * Math.PI);
  strokeWithHalo(ctx, "#fff", 1.5);
  if (tone === "matte") return;
  const offset = r > 9 ? 0 : r + 7; // CSS pixels from the center
  ctx.translate(offset, offset);
  traceSign(ctx, tone === "add", 3.5);
  strokeWithHalo(ctx, "#fff", 1.5);
}

function paintPath(
  ctx: Ctx,
  { points, handles, tone, closed, hot, extra }: PreviewOf<"path">,
  { camera, ratio, isPending, now }: PaintState,
) {
  onScreen(ctx, ratio);
  tracePoints(ctx, points, camera);
  if (points.length > 2) {
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = TONE_COLORS[tone];
    ctx.fill("evenodd");
    ctx.globalAlpha = 1;
  }
  if (closed) ctx.closePath();
  if (isPending) setMovingDashes(ctx, now);
  strokeWithHalo(ctx, TONE_COLORS[tone], 1.75);
  ctx.setLineDash([]);
  for (const [i, handle] of handles.entries()) {
    paintHandle(ctx, toScreen(camera, ...handle), TONE_COLORS[tone], i === hot);
  }
  if (extra) paintHandle(ctx, toScreen(camera, ...extra), "rgba(255, 255, 255, 0.4)", true);
}

function paintHandle(ctx: Ctx, [x, y]: Point, color: string, hot: boolean) {
  ctx.beginPath();
  ctx.arc(x, y, hot ? HANDLE_RADIUS_PX + 2 : HANDLE_RADIUS_PX, 0, 2 * Math.PI);
  ctx.fillStyle = hot ? color : "#fff";
  ctx.strokeStyle = hot ? "#fff" : "rgba(0, 0, 0, 0.75)";
  ctx.lineWidth = 1.5;
  ctx.fill();
  ctx.stroke();
}

function onScreen(ctx: Ctx, ratio: number) {
  ctx.setTransform(ratio, 0, 0, ratio, 0, 0);
  ctx.lineJoin = "round";
  ctx.lineCap = "butt";
}

function tracePoints(ctx: Ctx, points: readonly Point[], camera: Camera) {
  ctx.beginPath();
  for (const [i, point] of points.entries()) {
    const position = toScreen(camera, ...point);
    if (i) ctx.lineTo(...position);
    else ctx.moveTo(...position);
  }
}

/** Stroke a light line on a dark one, which is visible on every image. */
function strokeWithHalo(ctx: Ctx, color: string, width: number) {
  const dashes = ctx.getLineDash();
  ctx.setLineDash([]);
  ctx.strokeStyle = HALO_COLOR;
  ctx.lineWidth = width + 2;
  ctx.stroke();
  ctx.setLineDash(dashes);
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.stroke();
}

/** Trace the path of a plus or a minus. */
function traceSign(ctx: Ctx, plus: boolean, reach: number) {
  ctx.lineCap = "round";
  ctx.beginPath();
  ctx.moveTo(-reach, 0);
  ctx.lineTo(reach, 0);
  if (plus) {
    ctx.moveTo(0, -reach);
    ctx.lineTo(0, reach);
  }
}

/** Set moving dashes, the sign of a pending gesture. */
function setMovingDashes(ctx: Ctx, now: number) {
  ctx.setLineDash([6, 5]);
  ctx.lineDashOffset = -now / 40;
}
