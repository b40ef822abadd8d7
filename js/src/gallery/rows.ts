/** The loaded rows of the list, in blocks; the least recently used ones are dropped, so that a million rows cost as much as a few thousand. */

export const STATUSES = ["new", "accepted", "rejected", "skipped"] as const;
export type Status = (typeof STATUSES)[number];

export interface Reason {
  name: string;
  value: number;
  reason: string;
}

/** One instance, or one image without objects, as Python sends it. */
export interface Row {
  id: number; // of an image: minus the id of the item
  item: number;
  drawn: number; // increases with every change of the item's masks and labels
  number: number; // within its item
  label: string;
  status: Status;
  score: number | null; // 0 to 1, higher is more suspect; null: not scored since the last change
  confidence: number | null; // of the model that predicted it, 0 to 1, higher is better; null: none
  objects: number | null; // of an image: the number of its objects, which the editor may have added; null: an instance
  name: string; // name of the image file
  chips: Reason[]; // the strongest reasons, the strongest first
}

/** The label of a tile in words. */
export function labelText({ label, objects }: Pick<Row, "label" | "objects">): string {
  if (objects === null) return label || "no label";
  return objects ? `${objects} ${objects === 1 ? "object" : "objects"}` : "no objects";
}

/** Indices from `start` up to, but not including, `stop`. */
export interface Range {
  start: number;
  stop: number;
}

export const BLOCK_SIZE = 120; // rows per request
const MAX_BLOCKS = 100; // blocks in memory

export class Rows {
  private readonly blocks = new Map<number, Row[]>(); // the last used one is the last
  private readonly positions = new Map<number, number>(); // id -> index

  constructor(
    readonly key: number,
    readonly count: number,
  ) {}

  at(index: number): Row | undefined {
    return this.blocks.get(Math.floor(index / BLOCK_SIZE))?.[index % BLOCK_SIZE];
  }

  /** Return the index of a row; undefined if it is not loaded. */
  positionOf(id: number): number | undefined {
    return this.positions.get(id);
  }

  find(id: number): Row | undefined {
    const index = this.positionOf(id);
    return index === undefined ? undefined : this.at(index);
  }

  has(block: number) {
    return this.blocks.has(block);
  }

  /** Add a block and drop old ones if there are too many. */
  add(block: number, rows: Row[]) {
    this.blocks.set(block, rows);
    for (const [i, row] of rows.entries()) this.positions.set(row.id, block * BLOCK_SIZE + i);
    for (const [old, dropped] of this.blocks) {
      if (this.blocks.size <= MAX_BLOCKS) break;
      this.blocks.delete(old);
      for (const row of dropped) this.positions.delete(row.id);
    }
  }

  /** Replace a row by its new version, if it is loaded. */
  update(row: Row) {
    const index = this.positionOf(row.id);
    const block = index === undefined ? undefined : this.blocks.get(Math.floor(index / BLOCK_SIZE));
    if (index !== undefined && block) block[index % BLOCK_SIZE] = row;
  }

  /** Replace the row with an id by another row. */
  replace(id: number, row: Row) {
    const index = this.positionOf(id);
    if (index === undefined) return;
    this.positions.delete(id);
    this.positions.set(row.id, index);
    this.update(row);
  }

  /** Return the blocks of a range, in order, and mark them as used. */
  blocksOf({ start, stop }: Range): number[] {
    const first = Math.floor(Math.max(0, start) / BLOCK_SIZE);
    const last = Math.ceil(Math.min(stop, this.count) / BLOCK_SIZE);
    const blocks = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    for (const block of blocks) {
      const rows = this.blocks.get(block);
      if (rows && this.blocks.delete(block)) this.blocks.set(block, rows);
    }
    return blocks;
  }
}
