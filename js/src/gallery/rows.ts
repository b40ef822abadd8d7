/** What is known of the list: its rows in blocks, those not looked at for longest forgotten first. A million rows cost what a few thousand do. */

export const STATUSES = ["new", "accepted", "rejected", "skipped"] as const;
export type Status = (typeof STATUSES)[number];

export interface Reason { name: string; value: number; reason: string }

/** One instance, as Python tells it. */
export interface Row {
  id: number;
  item: number;
  number: number; // within its item
  label: string;
  status: Status;
  score: number | null; // 0 to 1, higher: look sooner; null: not scored since it was made or changed
  name: string; // of the image's file
  chips: Reason[]; // the worst ones, the worst first
}

export interface Range { start: number; stop: number } // half-open

export const BLOCK = 120; // rows asked for at a time
const MOST_BLOCKS = 100;

export class Rows {
  private readonly blocks = new Map<number, Row[]>(); // the one looked at last is the last
  private readonly places = new Map<number, number>(); // id -> index

  constructor(readonly key: number, readonly count: number) {}

  at(index: number): Row | undefined { return this.blocks.get(Math.floor(index / BLOCK))?.[index % BLOCK]; }

  /** Where a row is; undefined: that is not known here. */
  place(id: number): number | undefined { return this.places.get(id); }

  find(id: number): Row | undefined {
    const index = this.place(id);
    return index === undefined ? undefined : this.at(index);
  }

  has(block: number) { return this.blocks.has(block); }

  /** Keep a block, and forget others where there are too many. */
  take(block: number, rows: Row[]) {
    this.blocks.set(block, rows);
    rows.forEach((row, i) => this.places.set(row.id, block * BLOCK + i));
    for (const [old, gone] of this.blocks) {
      if (this.blocks.size <= MOST_BLOCKS) break;
      this.blocks.delete(old);
      gone.forEach((row) => this.places.delete(row.id));
    }
  }

  /** A row is another one now; those that are not known here stay unknown. */
  update(row: Row) {
    const index = this.place(row.id);
    if (index !== undefined) this.blocks.get(Math.floor(index / BLOCK))![index % BLOCK] = row;
  }

  /** What had another id is this row now. */
  replace(id: number, row: Row) {
    const index = this.place(id);
    if (index === undefined) return;
    this.places.delete(id);
    this.places.set(row.id, index);
    this.update(row);
  }

  /** The blocks that hold rows of a range, in its order; they count as looked at now. */
  blocksOf({ start, stop }: Range): number[] {
    const first = Math.floor(Math.max(0, start) / BLOCK), last = Math.ceil(Math.min(stop, this.count) / BLOCK);
    const found = Array.from({ length: Math.max(0, last - first) }, (_, i) => first + i);
    for (const block of found) {
      const rows = this.blocks.get(block);
      if (rows && this.blocks.delete(block)) this.blocks.set(block, rows);
    }
    return found;
  }
}
