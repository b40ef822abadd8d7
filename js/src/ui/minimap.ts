/** An overview of the image with the visible part, shown while some of the image is out of view. Click or drag to go there. */
import { context2d, h } from "../dom";
import type { DocumentHost, ModeHost, Part, StageHost } from "./host";

const LONG_SIDE_PX = 132; // CSS pixels
const MIN_SHORT_SIDE_PX = 24; // CSS pixels

export function minimap(host: DocumentHost & StageHost & ModeHost): Part {
  const { doc, viewer } = host;
  const canvas = h("canvas", {});
  const frame = h("i", {});
  const element = h(
    "div",
    { class: "cdw-minimap", role: "img", "aria-label": "Overview: the visible part of the image" },
    canvas,
    frame,
  );
  let drawn: unknown = null;

  const go = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect();
    const { width, height } = doc.image;
    viewer.center(((event.clientX - box.left) / box.width) * width, ((event.clientY - box.top) / box.height) * height);
  };
  element.addEventListener("pointerdown", (event) => {
    event.stopPropagation();
    element.setPointerCapture(event.pointerId);
    go(event);
  });
  element.addEventListener("pointermove", (event) => {
    event.stopPropagation();
    if (element.hasPointerCapture(event.pointerId)) go(event);
  });

  function refresh() {
    const { width, height } = doc.image;
    const { scale, x, y } = viewer.camera;
    const { clientWidth, clientHeight } = viewer.stage;
    const showsAll =
      x >= -1 && y >= -1 && x + width * scale <= clientWidth + 1 && y + height * scale <= clientHeight + 1;
    const { picture } = doc;
    element.hidden = showsAll || !picture || host.modes.helping;
    if (element.hidden || !picture) return;
    const factor = LONG_SIDE_PX / Math.max(width, height);
    const mapWidth = Math.max(width * factor, MIN_SHORT_SIDE_PX);
    const mapHeight = Math.max(height * factor, MIN_SHORT_SIDE_PX);
    if (drawn !== picture) {
      drawn = picture;
      const ratio = devicePixelRatio || 1;
      canvas.width = mapWidth * ratio;
      canvas.height = mapHeight * ratio;
      canvas.style.width = `${mapWidth}px`;
      canvas.style.height = `${mapHeight}px`;
      const context = context2d(canvas);
      context.imageSmoothingQuality = "high";
      context.drawImage(picture.level(canvas.width), 0, 0, canvas.width, canvas.height);
    }
    const left = Math.max(-x / scale / width, 0);
    const top = Math.max(-y / scale / height, 0);
    const right = Math.min((clientWidth - x) / scale / width, 1);
    const bottom = Math.min((clientHeight - y) / scale / height, 1);
    Object.assign(frame.style, {
      left: `${left * mapWidth}px`,
      top: `${top * mapHeight}px`,
      width: `${(right - left) * mapWidth}px`,
      height: `${(bottom - top) * mapHeight}px`,
    });
  }

  return { element, refresh };
}
