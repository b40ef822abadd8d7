/** An image that is being labeled in the page: its pixels, its session and its model. */
import type { Size } from "../camera";
import type { Network } from "./network";
import type { GivenImage, GivenInstance, SavedStep } from "./page_data";
import { Predictor, type RgbImage } from "./predictor";
import { decodeRle } from "./rle";
import { Session } from "./session";
import { type Document, newEntry, openDocument, SOURCE_NUMBERS } from "./state";

/** The objects of an image and their log. */
export interface Labeling {
  given: readonly GivenInstance[]; // the objects that the log begins with
  session: Session;
}

export interface OpenedImage extends Labeling {
  predictor: Predictor | null;
}

/** Decode an image and repeat the steps of earlier visits. */
export async function openImage(
  image: GivenImage,
  file: Blob,
  steps: readonly SavedStep[],
  network: Network | null,
  nextLabel: string,
): Promise<OpenedImage> {
  const pixels = await decodePixels(file, image);
  const predictor = network && new Predictor(network, pixels);
  return { ...repeatSteps(image, steps, pixels, predictor, nextLabel), predictor };
}

/** Repeat the steps of earlier visits. Without pixels, the session can be read but not edited. */
export function repeatSteps(
  image: GivenImage,
  steps: readonly SavedStep[],
  pixels: RgbImage = { width: image.width, height: image.height, data: new Uint8Array(0) },
  predictor: Predictor | null = null,
  nextLabel = "",
): Labeling {
  const { given, later } = sinceRestart(image, steps);
  const session = new Session(documentOf(image, given), pixels, predictor, nextLabel);
  for (const step of later) {
    if (step.kind === "apply") session.follow(step);
    else if (step.kind === "undo") session.undo();
    else if (step.kind === "redo") session.redo();
  }
  return { given, session };
}

/** Return the objects that the log of an image begins with, and the steps after that. */
export function sinceRestart(image: GivenImage, steps: readonly SavedStep[]) {
  const restarts = steps.map(({ kind }) => kind).lastIndexOf("restart");
  const restart = steps[restarts];
  const given = restart?.kind === "restart" ? restart.instances : image.instances;
  return { given, later: steps.slice(restarts + 1) };
}

export function documentOf(image: Size, instances: readonly GivenInstance[]): Document {
  const given = instances.map(({ id, label, attributes, mask }) => ({
    entry: newEntry(id, label, attributes),
    pixels: decodeRle(mask, image, SOURCE_NUMBERS.import),
  }));
  return openDocument(image, given);
}

async function decodePixels(file: Blob, { name, width, height }: GivenImage): Promise<RgbImage> {
  const bitmap = await createImageBitmap(file, { colorSpaceConversion: "none", premultiplyAlpha: "none" });
  if (bitmap.width !== width || bitmap.height !== height)
    throw new Error(`${name} has ${bitmap.width} × ${bitmap.height} pixels here instead of ${width} × ${height}`);
  const context = new OffscreenCanvas(width, height).getContext("2d", { willReadFrequently: true });
  if (!context) throw new Error("this browser cannot read the pixels of an image");
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const { data } = context.getImageData(0, 0, width, height);
  const rgb = new Uint8Array(3 * width * height);
  for (let i = 0, to = 0; i < data.length; i += 4, to += 3) {
    rgb[to] = data[i];
    rgb[to + 1] = data[i + 1];
    rgb[to + 2] = data[i + 2];
  }
  return { width, height, data: rgb };
}

/** Return the address of a picture of an image, at most `side` pixels wide and high. */
export async function smallPicture(file: Blob, side: number): Promise<string> {
  const bitmap = await createImageBitmap(file);
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.ceil(scale * bitmap.width), Math.ceil(scale * bitmap.height));
  canvas.getContext("2d")?.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  const picture = await canvas.convertToBlob({ type: "image/jpeg" });
  const bytes = new Uint8Array(await picture.arrayBuffer());
  return `data:image/jpeg;base64,${btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""))}`;
}
