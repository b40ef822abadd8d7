/** What goes wrong between page and kernel, in words. */

export type Trouble = { kind: "error" | "slow" | "dead"; text: string; offer?: Offer } | null;

/** What may be done about it. */
export interface Offer { text: string; run(): void }

/** An exception in Python. */
export class Raised extends Error {
  constructor(message: string, readonly kind: string) { super(message); }
}

export const ANSWERS_WITHIN = 1_000; // ms, when the host says that the connection has changed
export const DEAD = "The kernel was restarted or is gone. Run the cell again to go on; what is shown here can no longer be changed.";
export const SLOW = "The kernel has not answered for some seconds: it is busy, or it was restarted. If it was, run the cell again.";
