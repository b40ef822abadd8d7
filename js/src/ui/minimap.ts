/** Where the stage is in the image, while not all of it is in sight. Click or drag to go there. */
import type { Part, View } from "../view";
import { h } from "./dom";

const SIDE = 132; // CSS pixels of the longer side

export function minimap(view: View): Part {
  const { doc, viewer } = view;
  const canvas = h("canvas", {}), frame = h("i", {});
  const element = h("div", { class: "cdw-minimap", role: "img", "aria-label": "Overview: where the view is in the image" }, canvas, frame);
  let drawn: unknown = null;

  const go = (event: PointerEvent) => {
    const box = canvas.getBoundingClientRect(), { width, height } = doc.image;
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
    const { width, height } = doc.image, { scale, x, y } = viewer.camera, { clientWidth, clientHeight } = viewer.stage;
    const all = x >= -1 && y >= -1 && x + width * scale <= clientWidth + 1 && y + height * scale <= clientHeight + 1;
    element.hidden = all || !doc.picture || view.helping;
    if (element.hidden) return;
    const factor = SIDE / Math.max(width, height), w = Math.max(width * factor, 24), h = Math.max(height * factor, 24);
    if (drawn !== doc.picture) {
      drawn = doc.picture;
      const ratio = devicePixelRatio || 1;
      canvas.width = w * ratio;
      canvas.height = h * ratio;
      canvas.style.width = `${w}px`;
      canvas.style.height = `${h}px`;
      const ctx = canvas.getContext("2d")!;
      ctx.imageSmoothingQuality = "high";
      ctx.drawImage(doc.picture!.level(canvas.width), 0, 0, canvas.width, canvas.height);
    }
    const left = Math.max(-x / scale / width, 0), top = Math.max(-y / scale / height, 0);
    const right = Math.min((clientWidth - x) / scale / width, 1), bottom = Math.min((clientHeight - y) / scale / height, 1);
    Object.assign(frame.style, { left: `${left * w}px`, top: `${top * h}px`, width: `${(right - left) * w}px`, height: `${(bottom - top) * h}px` });
  }

  return { element, refresh };
}
