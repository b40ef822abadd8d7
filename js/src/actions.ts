/** What a session can be asked to do, as `cdwidget.session.actions` reads it; tests/actions.json ties the two together. */
export type Action =
  | { type: "click"; x: number; y: number; positive: boolean }
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
