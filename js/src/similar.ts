/** The proposals in one view: objects like the selected ones, until they are taken or rejected. Nothing takes them by itself. */
import { type Box, type Patch, unpack } from "./bitmap";
import type { ImageDocument } from "./document";
import { Outline } from "./outline";

export const DEFAULT_MIN_SCORE = 0.5;
const SEARCHING_TEXT = "Searching for objects like this one";

/** An object that the kernel proposes. */
export interface Proposal {
  number: number; // its number in the kernel, which means no other proposal
  score: number; // 0 to 1
  box: Box;
  patch: Patch;
  outline: Outline;
}

type Reply = { result: { proposals: Pick<Proposal, "number" | "score" | "box">[] }; buffers: DataView[] } | null;

export class SimilarObjects {
  minScore = DEFAULT_MIN_SCORE;
  isOpen = false;
  private found: Proposal[] = []; // the surest first
  private readonly taken = new Set<number>(); // a reply on its way may still hold them
  private isPressed = false; // whether the last press was on a proposal
  private searches = 0; // replies to earlier searches are ignored

  constructor(
    private readonly doc: ImageDocument,
    private readonly changed: () => void,
  ) {}

  /** The proposals that are sure enough, the surest first. */
  get shown(): Proposal[] {
    return this.found.filter(({ score }) => score >= this.minScore);
  }

  get count(): number {
    return this.found.length;
  }

  setMinScore(score: number) {
    this.minScore = score;
    this.changed();
  }

  /** The surest proposal at an image point. */
  at(x: number, y: number): Proposal | undefined {
    const [column, row] = [Math.floor(x), Math.floor(y)];
    return this.shown.find(({ box: [x0, y0, x1, y1], patch }) => {
      const isInside = column >= x0 && column < x1 && row >= y0 && row < y1;
      return isInside && patch.bits[(row - y0) * (x1 - x0) + column - x0] === 1;
    });
  }

  /** Take the proposal under a press, or reject it with the second button; return whether there is one. */
  press(x: number, y: number, isSecondary: boolean, isDouble: boolean): boolean {
    if (isDouble && this.isPressed) return true; // the tool would change the selected object there
    const proposal = this.at(x, y);
    if (proposal) void (isSecondary ? this.reject(proposal) : this.take([proposal]));
    this.isPressed = proposal !== undefined;
    return this.isPressed;
  }

  /** Search for objects like some instances, or like all of a class in all images. */
  async search(instances: readonly number[], label: string | null = null) {
    this.close();
    this.doc.say(SEARCHING_TEXT);
    await this.receive(this.doc.kernel.run("similar", { instances: [...instances], label }));
    if (this.isOpen && this.doc.message === SEARCHING_TEXT) this.doc.say("");
  }

  /** Take proposals as objects: one undo step. */
  async take(proposals: readonly Proposal[]) {
    if (!proposals.length) return;
    const { key } = this.doc.image;
    const numbers = proposals.map(({ number }) => number);
    for (const number of numbers) this.taken.add(number);
    this.found = this.found.filter(({ number }) => !numbers.includes(number));
    if (!this.found.length) this.close();
    else this.changed();
    await this.doc.edit(() => this.doc.kernel.run("take_similar", { numbers, key }));
  }

  /** Take all shown proposals. */
  async takeAll() {
    const taken = this.shown;
    this.close();
    await this.take(taken);
  }

  /** Say that a proposal is no such object; the others are ranked again. */
  async reject({ number }: Proposal) {
    this.found = this.found.filter((one) => one.number !== number);
    this.changed();
    await this.receive(this.doc.kernel.run("reject_similar", { number }));
  }

  close() {
    this.searches++;
    this.isOpen = false;
    this.found = [];
    this.changed();
  }

  private async receive(request: Promise<unknown>) {
    const search = ++this.searches;
    const { key } = this.doc.image;
    const reply = (await request) as Reply;
    if (!reply || search !== this.searches || key !== this.doc.image.key) return;
    const found = reply.result.proposals.map((proposal, i) => {
      const patch = unpack(proposal.box, reply.buffers[i]);
      return { ...proposal, patch, outline: new Outline(patch) };
    });
    this.found = found.filter(({ number }) => !this.taken.has(number));
    this.isOpen = true;
    this.changed();
  }
}
