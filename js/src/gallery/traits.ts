/** The traits of the gallery that the page reads and sets. */
import type { Model } from "../kernel";
import type { PictureTraits } from "../traits";

export interface Progress {
  done: number;
  total: number;
  per_hour: number | null;
  by_status: Record<string, number>;
}
export interface Choices {
  statuses: string[];
  labels: string[];
  tags: string[];
  scores: string[];
  has_confidence: boolean; // whether any instance has one
  problems: number; // entries of imported data sets that could not be read
}
export type AttributeValue = string | number | boolean;

/** The traits that filter the list. */
export interface Filters {
  status: string[];
  filter_labels: string[];
  tag: string[];
  only: number[];
  text: string;
  min_score: number | null;
  max_score: number | null;
  min_confidence: number | null;
  max_confidence: number | null;
  attributes: Record<string, AttributeValue | null>;
  without_objects: boolean; // list images without objects instead of instances
}

/** The synchronized traits of the gallery. */
export interface GalleryTraits extends Filters, PictureTraits {
  order_by: string;
  tile: number;
  opacity: number;
  view_only: boolean;
  shortcuts: Record<string, string[]>;
  height: number | null;
  selected: number[];
  _query: { key?: number; count?: number; error: string };
  _progress: Progress;
  _choices: Choices;
  _editor: string | null; // reference to the annotator in the editor
  _notice: string;
  revision: number;
}
export type GalleryModel = Model<GalleryTraits>;
