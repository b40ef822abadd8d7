/** What a session can be asked to do, as `cdwidget.session.actions` reads it; tests/actions.json ties the two together. */
import type { Point } from "./cover";

/** What the model answers. */
export type Prompt =
  | { type: "click"; x: number; y: number; positive: boolean }
  | { type: "stroke"; points: Point[]; positive: boolean; radius: number }
  | { type: "box"; x0: number; y0: number; x1: number; y1: number };

/** Their types, and the tools that make them. */
export const PROMPTS: readonly string[] = ["click", "box", "stroke"] satisfies Prompt["type"][];

export type Action =
  | Prompt
  | { type: "brush"; points: Point[]; radius: number; add: boolean }
  | { type: "polygon" | "lasso"; points: Point[]; add: boolean }
  | { type: "superpixel"; segments: number[]; count: number; add: boolean }
  | { type: "wand"; x: number; y: number; tolerance: number; add: boolean }
  | { type: "matte"; points: Point[]; radius: number }
  | { type: "accept"; label?: string }
  | { type: "select"; instance: number | null }
  | { type: "delete"; instance?: number }
  | { type: "relabel"; label: string; instance?: number }
  | { type: "duplicate" | "split"; instance?: number }
  | { type: "merge"; instance: number }
  | { type: "reorder"; instance: number; position: number }
  | { type: "snap"; distance: number }
  | { type: "fill_holes" | "keep_largest" }
  | { type: "smooth"; radius: number }
  | { type: "grow" | "shrink"; pixels: number }
  | { type: "alternative"; number: number }
  | { type: "lock"; on: boolean };
