/** The height of an annotator's stage in a notebook, where it follows the image. */
import type { Size } from "./camera";

const MIN_HEIGHT_PX = 260; // CSS pixels
const MAX_WINDOW_SHARE = 0.62; // of the window's height, so that toolbars and status line are visible too
const LIST_SHAPE = 2 / 3; // height by width of the stage for a list: the same for all its images

/** Return the height in CSS pixels of a stage of this width, for one image or a list of them. */
export function stageHeight(image: Size & { count: number }, stageWidth: number, windowHeight: number): number {
  const shape = image.count > 1 ? LIST_SHAPE : image.height / image.width;
  const max = Math.max(windowHeight * MAX_WINDOW_SHARE, MIN_HEIGHT_PX);
  return Math.round(Math.min(Math.max(stageWidth * shape, MIN_HEIGHT_PX), max));
}
