/** The actions of a session, as `cdwidget.session.actions` reads them; tests/actions.json ties the two together. */

/** The user's own values of an object, by name. */
export type Attributes = Readonly<Record<string, unknown>>;

/** Commands on masks and objects by type. Each tool adds its own action in its file, by declaration merging. */
export interface Actions {
  accept: { type: "accept"; label?: string };
  select: { type: "select"; instance: number | null };
  delete: { type: "delete"; instance?: number | readonly number[] };
  relabel: { type: "relabel"; label: string; instance?: number | readonly number[] };
  set_attributes: { type: "set_attributes"; instance: number | null; attributes: Attributes };
  paste: { type: "paste"; objects: readonly Record<string, unknown>[] };
  duplicate: { type: "duplicate"; instance?: number };
  split: { type: "split"; instance?: number };
  merge: { type: "merge"; instance: number };
  reorder: { type: "reorder"; instance: number; position: number };
  snap: { type: "snap"; distance: number };
  fill_holes: { type: "fill_holes" };
  keep_largest: { type: "keep_largest" };
  smooth: { type: "smooth"; radius: number };
  grow: { type: "grow"; pixels: number };
  shrink: { type: "shrink"; pixels: number };
  alternative: { type: "alternative"; number: number };
  lock: { type: "lock"; on: boolean };
  confirm: { type: "confirm"; instances: readonly number[] };
  set_track_ids: { type: "set_track_ids"; instances: readonly number[]; track_ids: readonly number[] };
}

/** Prompts to the model; each prompt tool adds its own, by declaration merging. */
// biome-ignore lint/suspicious/noEmptyInterface: the prompt tools add its members
export interface Prompts {}

export type Prompt = Prompts[keyof Prompts];
export type Action = Actions[keyof Actions] | Prompt;
