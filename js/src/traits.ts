/** The state of an annotator that Python sends: synchronized traits, and the replies to requests. */
import type { Attributes, Prompt } from "./actions";
import type { Box } from "./bitmap";
import type { Model } from "./kernel";

export interface ImageInfo {
  key: number;
  name: string;
  width: number;
  height: number;
  index: number;
  count: number;
  is_same?: boolean; // it was shown before this, too, through another intensity window
}

/** The declaration of a tool or command in Python. */
interface ToolInfo {
  name: string;
  label: string;
  source: string; // source of its pixels
  why_off?: string; // why it does not work here; "" if it does
}

/** A field of the form for the attributes of an object. */
export interface AttributeField {
  name: string;
  kind: "flag" | "text" | "integer" | "number" | "choice";
  choices: string[];
}

/** The static picture of a widget for readers without a kernel. */
export interface PictureTraits {
  _snapshot: string; // a `data:` address
  _picture_class: string; // class of the same picture in the output of the cell
  _is_notebook: boolean; // whether a notebook saves the state of the widget
}

/** The synchronized traits of the annotator. */
export interface AnnotatorTraits extends PictureTraits {
  _image: ImageInfo;
  _phase: { name: string; error: string }; // phase of encoding the image with the model
  _buttons: string[]; // "submit" and "skip", if they have a callback
  _notice: string;
  _in_use: boolean; // the image is being edited elsewhere
  revision: number;
  _tools: ToolInfo[];
  _sources: string[]; // names of the pixel sources, by number
  tool: string;
  label: string;
  labels: string[];
  attributes: AttributeField[];
  mode: "instance" | "semantic";
  closed_labels: boolean;
  label_finishes: boolean;
  colors: string[];
  brush_size: number;
  tolerance: number;
  superpixels: number;
  locked: boolean;
  opacity: number;
  view_only: boolean;
  following: boolean; // objects are followed into the next image
  shortcuts: Record<string, string[]>;
  capture_scroll: boolean;
  height: number | null;
  busy: boolean;
  can_undo: boolean;
  can_redo: boolean;
}
export type AnnotatorModel = Model<AnnotatorTraits>;

/** The model's suggestions for the newest prompt; count is null until they are computed, on the first request for another one. */
export interface Alternatives {
  count: number | null;
  chosen: number;
}

/** A change of the document, or all of it. Without `whole`, `instances` holds only those that changed. */
export interface Update {
  whole: boolean;
  key: number;
  revision: number;
  selected: number;
  locked: boolean; // manual edits are protected from the model
  can_undo: boolean;
  can_redo: boolean;
  instances: { id: number; label: string; attributes?: Attributes; score?: number; confirmed?: false }[];
  order?: { start: number; removed: number; ids: number[] }; // a range of the ids that these replace
  prompts: Prompt[]; // prompts of the selected object
  patches: { id: number; box: Box; soft: boolean }[]; // one buffer each, then one buffer with alpha for each soft one
  alternatives: Alternatives;
}

/** A request that may show another image, or the same one in another way. */
export type ImageRequest = "go" | "goto" | "submit" | "skip" | "take_over" | "set_window";

/** Its reply. */
export interface ImageReply {
  key: number; // key of the image that is shown now
  passed?: string[]; // problems of images that were passed over
  left?: number; // images that are neither submitted nor skipped
  is_last?: boolean; // no image comes after it
  follows?: boolean; // the objects of the image before are to be followed into it
}

export const WATCHED_TRAITS = [
  "tool",
  "label",
  "labels",
  "attributes",
  "closed_labels",
  "label_finishes",
  "colors",
  "brush_size",
  "tolerance",
  "superpixels",
  "locked",
  "opacity",
  "view_only",
  "following",
  "shortcuts",
  "height",
  "busy",
  "can_undo",
  "can_redo",
  "_buttons",
  "_in_use",
  "_notice",
] satisfies (keyof AnnotatorTraits)[];
