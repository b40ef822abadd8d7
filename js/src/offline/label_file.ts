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
    info: { description: "Labeled in a page of cdwidget" },
    images: images.map(({ image: { name, width, height } }, i) => ({ id: i + 1, file_name: name, width, height })),
    categories,
    annotations,
    sessions: Object.fromEntries(images.map((one) => [one.image.name, logOf(one)])),
  };
}

/** Return the objects of each image in a file that `labelFile` made, by the name of the image. */
export function instancesIn({ images, categories, annotations }: LabelFile): Map<string, GivenInstance[]> {
  const labels = new Map(categories.map(({ id, name }) => [id, name]));
  return new Map(
    images.map(({ id, file_name }) => {
      const own = annotations.filter((one) => one.image_id === id);
      const instances = own.map(({ category_id, segmentation, attributes }, i) => ({
        id: i + 1,
        label: labels.get(category_id) ?? "",
        mask: segmentation,
        ...(attributes ? { attributes } : {}),
      }));
      return [file_name, instances];
    }),
  );
}

function logOf({ image: { width, height, instances }, done }: LabeledImage): Log {
  const actions = done.flatMap(({ action, label }): Log["actions"] => {
    const isPredicted = isPrompt(action) || action.type === "alternative";
    const labeling: Action[] = label === undefined ? [] : [{ type: "relabel", label }];
    return [isPredicted ? { ...action, progressive: true } : action, ...labeling];
  });
  return { version: 3, width, height, progressive: true, mask: null, selected: null, instances, actions };
}
