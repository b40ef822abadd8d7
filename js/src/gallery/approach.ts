import type { Box } from "../bitmap";
import type { Viewer } from "../viewer";

const NEAR = 0.4; // of the stage, what an object fills then that filled less than half of this before

/** Look at a small object from near; the key that fits the image shows the whole again. */
export function approach(viewer: Pick<Viewer, "stage" | "camera" | "zoom" | "center">, [x0, y0, x1, y1]: Box) {
  const { clientWidth, clientHeight } = viewer.stage, { scale } = viewer.camera;
  const factor = NEAR * Math.min(clientWidth / ((x1 - x0) * scale), clientHeight / ((y1 - y0) * scale));
  if (factor < 2) return;
  viewer.zoom(factor);
  viewer.center((x0 + x1) / 2, (y0 + y1) / 2);
}
