/** A tile's picture: the image, the mask in its label's colour and outlined as in the editor, or where a score is high. */
import type { Heat } from "./heat";
import type { Thumb } from "./thumbs";

export interface Look {
  color: string;
  opacity: number;
  bare: boolean; // without the mask
  heat: Heat | null;
}

/** Fill a canvas of some device pixels, `ratio` of them to a CSS pixel; without a thumbnail it is empty. */
export function paintThumb(canvas: HTMLCanvasElement, thumb: Thumb | undefined, look: Look, ratio: number) {
  const ctx = canvas.getContext("2d")!;
  ctx.setTransform(1, 0, 0, 1, 0, 0);
  ctx.clearRect(0, 0, canvas.width, canvas.height);
  if (!thumb?.picture) return;
  const { picture, outline } = thumb;
  const scale = Math.min(canvas.width / picture.width, canvas.height / picture.height);
  ctx.setTransform(scale, 0, 0, scale, (canvas.width - picture.width * scale) / 2, (canvas.height - picture.height * scale) / 2);
  ctx.imageSmoothingQuality = "high";
  ctx.drawImage(picture, 0, 0);
  const heat = look.heat?.picture;
  if (heat) ctx.drawImage(heat, 0, 0, picture.width, picture.height);
  if (look.bare || !outline) return;
  if (!heat) {
    ctx.globalAlpha = look.opacity;
    ctx.fillStyle = look.color;
    ctx.fill(outline.smooth, "evenodd");
    ctx.globalAlpha = 1;
  }
  ctx.lineJoin = "round";
  for (const [color, width] of [["rgba(0, 0, 0, 0.5)", 2.5], [heat ? "#fff" : look.color, 1.25]] as const) {
    ctx.strokeStyle = color;
    ctx.lineWidth = (width * ratio) / scale;
    ctx.stroke(outline.smooth);
  }
}
