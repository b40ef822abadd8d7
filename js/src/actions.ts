/** What a session can be asked to do, as `cdwidget.session.actions` reads it; tests/actions.json ties the two together. */
export type Action =
  | { type: "click"; x: number; y: number; positive: boolean }
  | { type: "accept"; label?: string }
  | { type: "select"; instance: number | null }
  | { type: "delete"; instance?: number }
  | { type: "relabel"; label: string; instance?: number };
