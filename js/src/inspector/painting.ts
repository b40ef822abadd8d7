/** Paints a map over its photograph, in pixels of the canvas. */
import type { Box } from "../bitmap";
import type { Point } from "../cover";
import type { DrawnMap, Photograph } from "./drawing";

/** The settings of a painting. */
export interface Look {
  opacity: number;
  smooth: boolean;
  marks: boolean;
}

type Context = CanvasRenderingContext2D;

const OUTLINE_STROKES = [
  ["#000000", 2.5],
  ["#ffffff", 1.2],
] as const; // color, and width in px
const FRAME_STROKES = [
  ["#000000", 3.5],
  ["#38bdf8", 1.5],
] as const;
const QUERY_COLOR = "#38bdf8";
const POSITIVE_COLOR = "#22c55e";
const NEGATIVE_COLOR = "#ef4444";
const CLICK_RADIUS_PX = 5;
const MAGNIFIED_CELL_PX = 9;
const MAGNIFIER_MARGIN_PX = 12;
const MAGNIFIER_FRAME_PX = 8;
const MAGNIFIER_BACKGROUND = "#18181b";
const MAGNIFIER_FRAME_COLOR = "#d4d4d8";

export function paint(
  ctx: Context,
  photograph: Photograph & { picture: CanvasImageSource },
  panel: DrawnMap["panels"][number],
  frame: Box | null,
  look: Look,
) {
  const { width, height } = photograph;
  ctx.imageSmoothingEnabled = true;
  ctx.drawImage(photograph.picture, 0, 0, width, height);
  if (!panel.is_magnified) {
    const [x0, y0, x1, y1] = panel.box;
    ctx.globalAlpha = look.opacity;
    ctx.imageSmoothingEnabled = look.smooth;
    ctx.drawImage(panel.cells, x0, y0, x1 - x0, y1 - y0);
    ctx.globalAlpha = 1;
  }
  if (look.marks) paintMarks(ctx, photograph);
  if (frame) paintFrame(ctx, frame);
  if (panel.is_magnified) paintMagnifier(ctx, panel, width);
}

function paintMarks(ctx: Context, { outlines, clicks }: Photograph) {
  for (const [color, width] of OUTLINE_STROKES) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    for (const corners of outlines) {
      ctx.beginPath();
      for (let i = 0; i < corners.length; i += 2) ctx.lineTo(corners[i], corners[i + 1]);
      ctx.closePath();
      ctx.stroke();
    }
  }
  ctx.strokeStyle = "#ffffff";
  ctx.lineWidth = 2;
  for (const [x, y, isPositive] of clicks) {
    ctx.fillStyle = isPositive ? POSITIVE_COLOR : NEGATIVE_COLOR;
    ctx.beginPath();
    ctx.arc(x, y, CLICK_RADIUS_PX, 0, 2 * Math.PI);
    ctx.fill();
    ctx.stroke();
  }
}

function paintFrame(ctx: Context, [x0, y0, x1, y1]: Box) {
  for (const [color, width] of FRAME_STROKES) {
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.strokeRect(x0, y0, x1 - x0, y1 - y0);
  }
}

/** Paint the cells around the queried one in the corner that is farther away; missing cells are dark, the queried one is blue. */
function paintMagnifier(ctx: Context, { box, rows, columns, cells }: DrawnMap["panels"][number], width: number) {
  const [x, y] = magnifierCorner(box, columns, width);
  const [w, h] = [columns * MAGNIFIED_CELL_PX, rows * MAGNIFIED_CELL_PX];
  ctx.fillStyle = MAGNIFIER_FRAME_COLOR;
  ctx.fillRect(x - MAGNIFIER_FRAME_PX, y - MAGNIFIER_FRAME_PX, w + 2 * MAGNIFIER_FRAME_PX, h + 2 * MAGNIFIER_FRAME_PX);
  ctx.fillStyle = MAGNIFIER_BACKGROUND;
  ctx.fillRect(x, y, w, h);
  ctx.imageSmoothingEnabled = false;
  ctx.drawImage(cells, x, y, w, h);
  ctx.fillStyle = QUERY_COLOR;
  const [column, row] = [Math.floor(columns / 2), Math.floor(rows / 2)];
  ctx.fillRect(x + column * MAGNIFIED_CELL_PX, y + row * MAGNIFIED_CELL_PX, MAGNIFIED_CELL_PX, MAGNIFIED_CELL_PX);
}

/** The upper left corner of the magnified cells of a box. */
export function magnifierCorner([x0]: Box, columns: number, width: number): Point {
  const margin = MAGNIFIER_MARGIN_PX + MAGNIFIER_FRAME_PX;
  return [x0 > width / 2 ? margin : width - margin - columns * MAGNIFIED_CELL_PX, margin];
}

/** The image point of a point on an element that shows the photograph, which ends at its last pixel. */
export function imagePoint(
  { clientX, clientY }: Pick<PointerEvent, "clientX" | "clientY">,
  element: Pick<DOMRect, "left" | "top" | "width" | "height">,
  [x0, y0, x1, y1]: Box,
): Point {
  const along = (position: number, length: number) => Math.min(Math.max(position / length, 0), 1 - 1e-6);
  return [
    x0 + along(clientX - element.left, element.width) * (x1 - x0),
    y0 + along(clientY - element.top, element.height) * (y1 - y0),
  ];
}
