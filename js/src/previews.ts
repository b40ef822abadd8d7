/** What a gesture shows while it lasts, and the pointer of a tool. Sizes of lines, dots and handles are CSS pixels at every zoom. */
import type { Prompt } from "./actions";
import { toScreen, type Camera } from "./camera";
import type { Point } from "./cover";
import { onImage, pick, stroke } from "./layers";
import type { Outline } from "./outline";
import { tone, type Preview, type Tone } from "./tools/tool";

type Ctx = CanvasRenderingContext2D;
type Of<Kind extends Preview["kind"]> = Extract<Preview, { kind: Kind }>;

/** The stage that previews are painted on: its pixels for a CSS pixel, and the time that what waits is turned by. */
export interface Place { camera: Camera; ratio: number; waits: boolean; now: number }

const DOT_RADIUS = 7, HANDLE = 4;
const HALO = "rgba(0, 0, 0, 0.6)";
const TONES: Record<Tone, string> = { add: "#4ade80", remove: "#f87171", matte: "#c084fc" };

const PAINTERS: { [Kind in Preview["kind"]]: (ctx: Ctx, preview: Of<Kind>, place: Place) => void } = {
  dot: paintDot, box: paintBox, line: paintLine, ring: paintRing, path: paintPath, region: paintRegion, cross: paintCross, label: paintLabel,
};

/** Paint a preview; `waits`: the gesture is over, and the kernel has not answered. */
export function paintPreview(ctx: Ctx, preview: Preview, place: Place) {
  ctx.globalAlpha = 1;
  (PAINTERS[preview.kind] as (ctx: Ctx, preview: Preview, place: Place) => void)(ctx, preview, place);
}

/** What stays of a prompt once the model has answered it: of a stroke its middle, which hides little, and a sign where it began. */
export function traces(prompt: Prompt): Preview[] {
  if (prompt.type === "click") return [{ ...prompt, kind: "dot" }];
  if (prompt.type === "box") return [{ ...prompt, kind: "box" }];
  const { points, positive, points: [[x, y]] } = prompt;
  return [{ kind: "line", points, radius: 0, tone: tone(positive) }, { kind: "dot", x, y, positive }];
}

/** A dashed border round the pixels that an action would change. */
export function paintChange(ctx: Ctx, outline: Outline, { camera, ratio }: Place) {
  onImage(ctx, camera, ratio);
  const path = pick(outline, camera);
  stroke(ctx, path, camera, HALO, 3);
  ctx.setLineDash([5 / camera.scale, 4 / camera.scale]);
  stroke(ctx, path, camera, "#fff", 1.5);
  ctx.setLineDash([]);
}

function paintRegion(ctx: Ctx, { outline, tone }: Of<"region">, { camera, ratio }: Place) {
  onImage(ctx, camera, ratio);
  const path = pick(outline, camera);
  ctx.globalAlpha = 0.2;
  ctx.fillStyle = TONES[tone];
  ctx.fill(path, "evenodd");
  stroke(ctx, path, camera, HALO, 3.5);
  stroke(ctx, path, camera, TONES[tone], 1.75);
}

function paintCross(ctx: Ctx, { x, y }: Of<"cross">, { camera, ratio }: Place) {
  onScreen(ctx, ratio);
  const [sx, sy] = toScreen(camera, x, y).map((place) => Math.round(place * ratio) / ratio);
  ctx.beginPath();
  ctx.moveTo(0, sy);
  ctx.lineTo(ctx.canvas.width / ratio, sy);
  ctx.moveTo(sx, 0);
  ctx.lineTo(sx, ctx.canvas.height / ratio);
  ctx.globalAlpha = 0.7;
  twice(ctx, "#fff", 1);
  ctx.globalAlpha = 1;
}

function paintLabel(ctx: Ctx, { x, y, text }: Of<"label">, { camera, ratio }: Place) {
  const [sx, sy] = toScreen(camera, x, y);
  ctx.setTransform(ratio, 0, 0, ratio, sx * ratio, sy * ratio);
  sign(ctx, true, 5);
  twice(ctx, "#fff", 2);
  ctx.font = "12px system-ui, sans-serif";
  const wide = ctx.measureText(text).width + 16;
  ctx.beginPath();
  ctx.roundRect(12, -30, wide, 22, 11);
  ctx.fillStyle = "rgba(17, 20, 24, 0.8)";
  ctx.fill();
  ctx.fillStyle = "#fff";
  ctx.textBaseline = "middle";
  ctx.fillText(text, 20, -18.5);
}

/** Plus in a disc, minus in a square: told apart without colour. A dot that waits for its answer has a turning ring. */
function paintDot(ctx: Ctx, dot: Of<"dot">, { camera, ratio, waits, now }: Place) {
  const [x, y] = toScreen(camera, dot.x, dot.y);
  ctx.setTransform(ratio, 0, 0, ratio, x * ratio, y * ratio);
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
  sign(ctx, dot.positive, 3.25);
  ctx.stroke();
  if (!waits) return;
  const turn = (now / 120) % (2 * Math.PI);
  ctx.beginPath();
  ctx.arc(0, 0, r + 4.5, turn, turn + 1.4 * Math.PI);
  ctx.lineWidth = 2;
  ctx.stroke();
}

function paintBox(ctx: Ctx, { x0, y0, x1, y1 }: Of<"box">, { camera, ratio, waits, now }: Place) {
  onScreen(ctx, ratio);
  const [left, top] = toScreen(camera, x0, y0), [right, bottom] = toScreen(camera, x1, y1);
  ctx.beginPath();
  ctx.rect(left, top, right - left, bottom - top);
  if (waits) march(ctx, now);
  twice(ctx, TONES.add, 1.75);
  ctx.setLineDash([]);
}

/** A band as wide as the stroke is; without a radius, a thin line. */
function paintLine(ctx: Ctx, { points, radius, tone }: Of<"line">, { camera, ratio, waits, now }: Place) {
  onScreen(ctx, ratio);
  ctx.lineCap = "round";
  trail(ctx, points, camera);
  if (!radius) return twice(ctx, TONES[tone], 1.75);
  if (points.length === 1) ctx.lineTo(...toScreen(camera, ...points[0]));
  ctx.globalAlpha = waits ? 0.45 + 0.12 * Math.sin(now / 150) : 0.55;
  ctx.lineWidth = Math.max(3, 2 * radius * camera.scale);
  ctx.strokeStyle = TONES[tone];
  ctx.stroke();
  ctx.globalAlpha = 1;
}

/** As large as what the brush covers, with its sign: beside it when there is no room inside. */
function paintRing(ctx: Ctx, { x, y, radius, tone }: Of<"ring">, { camera, ratio }: Place) {
  const [sx, sy] = toScreen(camera, x, y), r = radius * camera.scale;
  ctx.setTransform(ratio, 0, 0, ratio, sx * ratio, sy * ratio);
  ctx.beginPath();
  ctx.arc(0, 0, Math.max(r, 1), 0, 2 * Math.PI);
  twice(ctx, "#fff", 1.5);
  if (tone === "matte") return;
  const away = r > 9 ? 0 : r + 7;
  ctx.translate(away, away);
  sign(ctx, tone === "add", 3.5);
  twice(ctx, "#fff", 1.5);
}

function paintPath(ctx: Ctx, { points, handles, tone, closed, hot, extra }: Of<"path">, { camera, ratio, waits, now }: Place) {
  onScreen(ctx, ratio);
  trail(ctx, points, camera);
  if (points.length > 2) {
    ctx.globalAlpha = 0.14;
    ctx.fillStyle = TONES[tone];
    ctx.fill("evenodd");
    ctx.globalAlpha = 1;
  }
  if (closed) ctx.closePath();
  if (waits) march(ctx, now);
  twice(ctx, TONES[tone], 1.75);
  ctx.setLineDash([]);
  handles.forEach((handle, i) => paintHandle(ctx, toScreen(camera, ...handle), TONES[tone], i === hot));
  if (extra) paintHandle(ctx, toScreen(camera, ...extra), "rgba(255, 255, 255, 0.4)", true);
}

function paintHandle(ctx: Ctx, [x, y]: Point, color: string, hot: boolean) {
  ctx.beginPath();
  ctx.arc(x, y, hot ? HANDLE + 2 : HANDLE, 0, 2 * Math.PI);
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

function trail(ctx: Ctx, points: readonly Point[], camera: Camera) {
  ctx.beginPath();
  points.forEach((point, i) => {
    const at = toScreen(camera, ...point);
    if (i) ctx.lineTo(...at);
    else ctx.moveTo(...at);
  });
}

/** A line that is seen on every image: light on dark. */
function twice(ctx: Ctx, color: string, width: number) {
  const dashes = ctx.getLineDash();
  ctx.setLineDash([]);
  ctx.strokeStyle = HALO;
  ctx.lineWidth = width + 2;
  ctx.stroke();
  ctx.setLineDash(dashes);
  ctx.strokeStyle = color;
  ctx.lineWidth = width;
  ctx.stroke();
}

/** The path of a plus or a minus. */
function sign(ctx: Ctx, plus: boolean, reach: number) {
  ctx.lineCap = "round";
  ctx.beginPath();
  ctx.moveTo(-reach, 0);
  ctx.lineTo(reach, 0);
  if (plus) {
    ctx.moveTo(0, -reach);
    ctx.lineTo(0, reach);
  }
}

/** Dashes that move: it waits for its answer. */
function march(ctx: Ctx, now: number) {
  ctx.setLineDash([6, 5]);
  ctx.lineDashOffset = -now / 40;
}
