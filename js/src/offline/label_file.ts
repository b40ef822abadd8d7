/** The file with all labels: COCO, which every tool reads, and the log of each image, which replays in Python. */
import type { Action } from "../actions";
import { boundsOf, count, sizeOf } from "./grid";
import type { GivenImage, GivenInstance, LabelFile, Log } from "./page_data";
import { encodeRle } from "./rle";
import { isPrompt } from "./session";
import type { Change, Document } from "./state";

export interface LabeledImage {
  image: GivenImage;
  document: Document;
  done: readonly Change[];
}

export function labelFile(images: readonly LabeledImage[], labels: readonly string[]): LabelFile {
  const names = new Set(labels);
  for (const { document } of images)
    for (const { id, label } of document.state.entries) if (document.hasPixels(id)) names.add(label);
  const categories = [...names].map((name, i) => ({ id: i + 1, name }));
  const annotations: LabelFile["annotations"] = [];
  for (const [i, { document, image }] of images.entries()) {
    for (const { id, label, attributes } of document.state.entries) {
      if (!document.hasPixels(id)) continue;
      const pixels = document.pixelsOf(id);
      const mask = { ...sizeOf(pixels.box), data: pixels.mask };
      const [x0, y0, x1, y1] = boundsOf(mask);
      annotations.push({
        id: annotations.length + 1,
        image_id: i + 1,
        category_id: categories.findIndex(({ name }) => name === label) + 1,
        iscrowd: 0,
        area: count(mask),
        bbox: [pixels.box[0] + x0, pixels.box[1] + y0, x1 - x0, y1 - y0],
        segmentation: encodeRle(pixels, image),
        ...(Object.keys(attributes).length ? { attributes } : {}),
      });
    }
  }
  return {
    info: { description: "Labeled in a page of cdwidget", exif_orientation: "applied" },
    images: images.map(({ image: { name, width, height } }, i) => ({ id: i + 1, file_name: name, width, height })),
    categories,
    annotations,
    sessions: Object.fromEntries(images.map((one) => [one.image.name, logOf(one)])),
  };
}

/**
 * Return the objects of each image that a file of `labelFile` has, by the index of the image. Throws if one cannot be used: objects that
 * are kept without a valid mask could not be opened again.
 */
export function instancesIn(file: LabelFile, images: readonly GivenImage[]): Map<number, GivenInstance[]> {
  if (!isLabelFile(file)) throw new Error("This is not a file of labels. Load a file that was saved from this page.");
  const labels = new Map(file.categories.map(({ id, name }) => [id, String(name)]));
  const found = new Map<number, GivenInstance[]>();
  for (const [index, image] of images.entries()) {
    const ids = file.images.filter(({ file_name }) => file_name === image.name).map(({ id }) => id);
    if (!ids.length) continue;
    const own = file.annotations.filter(({ image_id }) => ids.includes(image_id));
    const instances = own.map(({ category_id, segmentation, attributes }, i) => {
      if (!isMask(segmentation, image))
        throw new Error(
          `Object ${i + 1} of ${image.name} has no mask of ${image.width} × ${image.height} pixels, so nothing was loaded. ` +
            "Load a file that was saved from this page.",
        );
      const label = labels.get(category_id) ?? "";
      return { id: i + 1, label, mask: segmentation, ...(isObject(attributes) ? { attributes } : {}) };
    });
    found.set(index, instances);
  }
  if (!found.size)
    throw new Error("The file has labels of none of these images. Load a file that was saved from this page.");
  return found;
}

function isLabelFile(file: unknown): boolean {
  if (!isObject(file)) return false;
  const lists = [file.images, file.categories, file.annotations];
  return lists.every((list) => Array.isArray(list) && list.every(isObject));
}

function isMask(rle: unknown, { width, height }: GivenImage): boolean {
  if (!isObject(rle) || !Array.isArray(rle.counts) || `${rle.size}` !== `${[height, width]}`) return false;
  const { counts } = rle;
  return (
    counts.every((run) => Number.isInteger(run) && run >= 0) && counts.reduce((a, b) => a + b, 0) === width * height
  );
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function logOf({ image: { width, height, instances }, done }: LabeledImage): Log {
  const actions = done.flatMap(({ action, label }): Log["actions"] => {
    const isPredicted = isPrompt(action) || action.type === "alternative";
    const labeling: Action[] = label === undefined ? [] : [{ type: "relabel", label }];
    return [isPredicted ? { ...action, progressive: true } : action, ...labeling];
  });
  return { version: 3, width, height, progressive: true, mask: null, selected: null, instances, actions };
}
