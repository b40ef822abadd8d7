/** Where the image lies on the screen: screen = image * scale + offset, in CSS pixels of the stage. */
export interface Camera { scale: number; x: number; y: number }
export interface Size { width: number; height: number }

const LARGEST_PIXEL = 48; // CSS pixels an image pixel may grow to
const MARGIN = 24; // CSS pixels of the image that panning leaves in sight

/** The whole image, centred; small images grow, but not beyond what shows their pixels well. */
export function fit(image: Size, stage: Size): Camera {
  const scale = Math.min(stage.width / image.width, stage.height / image.height, LARGEST_PIXEL);
  return { scale, x: (stage.width - image.width * scale) / 2, y: (stage.height - image.height * scale) / 2 };
}

export function toImage(camera: Camera, x: number, y: number): [number, number] {
  return [(x - camera.x) / camera.scale, (y - camera.y) / camera.scale];
}

export function toScreen(camera: Camera, x: number, y: number): [number, number] {
  return [x * camera.scale + camera.x, y * camera.scale + camera.y];
}

/** Zoom by `factor`; the image point under (x, y) stays there. */
export function zoomAt(camera: Camera, x: number, y: number, factor: number, image: Size, stage: Size): Camera {
  const whole = fit(image, stage).scale;
  const scale = Math.min(Math.max(camera.scale * factor, Math.min(whole, 1) * 0.5), Math.max(LARGEST_PIXEL, whole));
  const [ix, iy] = toImage(camera, x, y);
  return keepInSight({ scale, x: x - ix * scale, y: y - iy * scale }, image, stage);
}

export function pan(camera: Camera, dx: number, dy: number, image: Size, stage: Size): Camera {
  return keepInSight({ ...camera, x: camera.x + dx, y: camera.y + dy }, image, stage);
}

function keepInSight(camera: Camera, image: Size, stage: Size): Camera {
  const within = (offset: number, length: number, room: number) => Math.min(Math.max(offset, MARGIN - length), room - MARGIN);
  return {
    scale: camera.scale,
    x: within(camera.x, image.width * camera.scale, stage.width),
    y: within(camera.y, image.height * camera.scale, stage.height),
  };
}
