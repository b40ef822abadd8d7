/** The position of the image on the stage: screen = image * scale + offset, in CSS pixels. */
import type { Box } from "./bitmap";

export interface Camera {
  scale: number;
  x: number;
  y: number;
}
export interface Size {
  width: number;
  height: number;
}

const MAX_SCALE = 48; // CSS pixels per image pixel
const VISIBLE_MARGIN_PX = 24; // CSS pixels of the image that stay visible while panning
const OBJECT_SHARE = 0.4; // fraction of the stage that `zoomToBox` fills
const MIN_OBJECT_ZOOM = 2; // factor; larger objects are not zoomed in on

/** Center the whole image; small images are enlarged up to MAX_SCALE. */
export function fitCamera(image: Size, stage: Size): Camera {
  const scale = Math.min(stage.width / image.width, stage.height / image.height, MAX_SCALE);
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 };
}

export function toImage(camera: Camera, x: number, y: number): [number, number] {
  return [(x - camera.x) / camera.scale, (y - camera.y) / camera.scale];
}

export function toScreen(camera: Camera, x: number, y: number): [number, number] {
  return [x * camera.scale + camera.x, y * camera.scale + camera.y];
}

/** Zoom by `factor`; the image point at (x, y) stays in place. */
export function zoomAt(camera: Camera, x: number, y: number, factor: number, image: Size, stage: Size): Camera {
  const whole = fitCamera(image, stage).scale;
  const scale = Math.min(Math.max(camera.scale * factor, Math.min(whole, 1) * 0.5), Math.max(MAX_SCALE, whole));
  const [ix, iy] = toImage(camera, x, y);
  return keepVisible({ scale, x: x - ix * scale, y: y - iy * scale }, image, stage);
}

export function pan(camera: Camera, dx: number, dy: number, image: Size, stage: Size): Camera {
  return keepVisible({ ...camera, x: camera.x + dx, y: camera.y + dy }, image, stage);
}

function keepVisible(camera: Camera, image: Size, stage: Size): Camera {
  const clamp = (offset: number, length: number, room: number) =>
    Math.min(Math.max(offset, VISIBLE_MARGIN_PX - length), room - VISIBLE_MARGIN_PX);
  return {
    scale: camera.scale,
    x: clamp(camera.x, image.width * camera.scale, stage.width),
    y: clamp(camera.y, image.height * camera.scale, stage.height),
  };
}

/** The members of a stage that `zoomToBox` uses. */
interface Zoomable {
  readonly stage: { readonly clientWidth: number; readonly clientHeight: number };
  readonly camera: Camera;
  zoom(factor: number): void;
  center(x: number, y: number): void;
}

/** Zoom in on a small object; the command that fits the image shows all of it again. */
export function zoomToBox(viewer: Zoomable, [x0, y0, x1, y1]: Box) {
  const { clientWidth, clientHeight } = viewer.stage;
  const { scale } = viewer.camera;
  if (!scale || !clientWidth || !clientHeight) return; // the stage is not laid out yet
  const factor = OBJECT_SHARE * Math.min(clientWidth / ((x1 - x0) * scale), clientHeight / ((y1 - y0) * scale));
  if (factor < MIN_OBJECT_ZOOM) return;
  viewer.zoom(factor);
  viewer.center((x0 + x1) / 2, (y0 + y1) / 2);
}

const LINE_HEIGHT_PX = 16; // CSS pixels of a wheel step in lines
const WHEEL_SPEED = 0.0018; // per CSS pixel
const PINCH_SPEED = 0.01; // per CSS pixel
const MAX_PINCH_STEP_PX = 30; // a pinch on a touchpad arrives as small wheel steps with Ctrl
const MAX_WHEEL_STEP_PX = 300;

/** The zoom factor of a wheel event; pageHeight: CSS pixels of a step in pages. */
export function wheelFactor(event: Pick<WheelEvent, "deltaY" | "deltaMode" | "ctrlKey">, pageHeight: number): number {
  const unit = [1, LINE_HEIGHT_PX, pageHeight][event.deltaMode];
  const pixels = event.deltaY * unit;
  const speed = event.ctrlKey && Math.abs(pixels) < MAX_PINCH_STEP_PX ? PINCH_SPEED : WHEEL_SPEED;
  return Math.exp(-Math.max(-MAX_WHEEL_STEP_PX, Math.min(MAX_WHEEL_STEP_PX, pixels)) * speed);
}
