/** The static picture that is saved with the widget, in place of the content until the kernel sends that. */
import { context2d, h } from "../dom";
import type { Model } from "../kernel";
import { paintMasks } from "../layers";
import type { DocumentHost, LabelHost, ObjectHost, Part } from "./host";

const SIDE_PX = 512; // longer side
const QUALITIES = [0.75, 0.5, 0.25]; // of the JPEG; the first one that is small enough is used
const REST_MS = 1_500; // after the last change
const MAX_LENGTH = 80_000; // characters, so that notebooks stay small

/** Show the picture while `isNeeded`. */
export function savedPicture(model: Pick<Model<{ _snapshot: string }>, "get">, isNeeded: () => boolean): Part {
  const picture = h("img", { alt: "The saved state of this widget" });
  const element = h(
    "figure",
    { class: "cdw-snapshot" },
    picture,
    h("figcaption", { class: "cdw-pill" }, "Saved picture – run the cell to edit"),
  );

  function refresh() {
    const address = model.get("_snapshot") ?? "";
    element.hidden = !address || !isNeeded();
    if (!element.hidden && picture.getAttribute("src") !== address) picture.src = address;
  }

  return { element, refresh };
}

/** Also draw the picture again after every change. It is only set in the page, which saves it, and not sent to the kernel. */
export function snapshot(host: DocumentHost & LabelHost & ObjectHost, signal: AbortSignal): Part {
  const { doc } = host;
  const { element, refresh } = savedPicture(doc.model, () => !doc.picture);
  let drawn = ""; // the image and revision of the newest picture
  let timer: ReturnType<typeof setTimeout> | undefined;
  signal.addEventListener("abort", () => clearTimeout(timer));

  function draw() {
    const { picture, image, instances } = doc;
    if (!picture) return;
    const scale = Math.min(1, SIDE_PX / Math.max(image.width, image.height));
    const canvas = h("canvas");
    canvas.width = Math.max(1, Math.round(image.width * scale));
    canvas.height = Math.max(1, Math.round(image.height * scale));
    const ctx = context2d(canvas);
    ctx.drawImage(picture.level(canvas.width), 0, 0, canvas.width, canvas.height);
    paintMasks(ctx, instances, { scale, x: 0, y: 0 }, 1, {
      opacity: doc.model.get("opacity"),
      color: (instance) => host.color(instance),
      selected: 0,
      isHighlighted: () => false,
      onWhite: false,
    });
    doc.model.set("_snapshot", jpegAddress(canvas));
  }

  return {
    element,
    refresh() {
      refresh();
      const state = `${doc.image.key} ${doc.revision}`;
      if (!doc.model.get("_is_notebook") || !doc.picture || doc.revision < 0 || state === drawn) return;
      drawn = state;
      clearTimeout(timer);
      timer = setTimeout(draw, REST_MS);
    },
  };
}

/** Return a canvas as the address of a JPEG; "" if none is small enough, since an older picture would show other masks. */
export function jpegAddress(canvas: Pick<HTMLCanvasElement, "toDataURL">): string {
  for (const quality of QUALITIES) {
    const address = canvas.toDataURL("image/jpeg", quality);
    if (address.length <= MAX_LENGTH) return address;
  }
  return "";
}
