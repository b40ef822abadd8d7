/** The content of the page that cdwidget.export_html writes, and of the file that comes back. */
import type { Action, Attributes } from "../actions";
import type { AnnotatorTraits } from "../traits";
import type { NetworkFiles } from "./network";
import type { Rle } from "./rle";
import type { Change } from "./state";

/** An object that an image has before it is labeled in the page. */
export interface GivenInstance {
  id: number;
  label: string;
  attributes?: Attributes;
  mask: Rle;
}

export interface GivenImage {
  name: string;
  width: number;
  height: number;
  mime: string;
  instances: readonly GivenInstance[];
}

export interface PageData {
  id: string; // of the page; the browser stores its labels under this name
  traits: AnnotatorTraits;
  images: GivenImage[];
}

/** A step of labeling as the browser keeps it; undo and redo are about the newest change. */
export type SavedStep = { image: number } & (
  | { kind: "apply"; change: Change }
  | { kind: "undo" | "redo" | "submit" | "skip" }
  | { kind: "restart"; instances: readonly GivenInstance[] } // the objects of a loaded file replace those of the image
);

/** The log of one image, as Session.log() writes it. */
export interface Log {
  version: 3;
  width: number;
  height: number;
  progressive: true;
  mask: null;
  selected: null;
  instances: readonly GivenInstance[];
  actions: (Action & { progressive?: true })[];
}

/** A COCO file, with the logs of the images by their names. */
export interface LabelFile {
  info: { description: string; exif_orientation: "applied" }; // masks are of the images as they are shown
  images: { id: number; file_name: string; width: number; height: number }[];
  categories: { id: number; name: string }[];
  annotations: {
    id: number;
    image_id: number;
    category_id: number;
    iscrowd: 0;
    area: number;
    bbox: number[];
    segmentation: Rle;
    attributes?: Attributes;
  }[];
  sessions: Record<string, Log>;
}

/** The name of the error if a file would replace objects; the request "load" with `replaces: true` loads it nevertheless. */
export const REPLACES_OBJECTS = "ReplacesObjects";

/** From the page to the worker. */
export type ToWorker =
  | { kind: "start"; page: PageData; images: Blob[]; steps: SavedStep[]; network: NetworkFiles | null }
  | { kind: "request"; message: { id: string; op: string } & Record<string, unknown> };

/** From the worker to the page. */
export type FromWorker =
  | { kind: "message"; content: unknown; buffers: ArrayBuffer[] }
  | { kind: "traits"; values: Partial<AnnotatorTraits> }
  | { kind: "step"; step: SavedStep };
