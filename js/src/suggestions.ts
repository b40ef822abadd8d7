/** The masks that the model suggests for the newest prompt. They are loaded one by one, from the first step through them on. */
import { Bitmap, type Box, difference, unpack } from "./bitmap";
import type { ImageDocument } from "./document";
import { Outline } from "./outline";

export interface Suggestion {
  box: Box; // the smallest box around the mask
  outline: Outline;
  area: number; // pixels
}

type SuggestionSource = Pick<ImageDocument, "alternatives" | "current" | "image" | "kernel" | "prompts" | "revision">;

export class Suggestions {
  loaded = new Map<number, Suggestion>(); // by number
  prompt = ""; // describes the prompt whose suggestions are loaded; "" before the first step
  private failed = ""; // the prompt whose suggestions cannot be loaded
  private isLoading = false;

  constructor(
    private readonly doc: SuggestionSource,
    private readonly changed: () => void,
  ) {}

  /** Follow the document: forget the masks of another prompt, and load those of this one. */
  update() {
    const { alternatives, current, image, prompts } = this.doc;
    const hasStepped = (alternatives.count ?? 0) > 1;
    const prompt = hasStepped && current ? JSON.stringify([image.key, current.id, prompts]) : "";
    if (prompt !== this.prompt) {
      this.prompt = prompt;
      this.loaded = new Map();
    }
    if (!this.isLoading) void this.load();
  }

  private async load() {
    this.isLoading = true;
    for (let number = this.missing(); number !== undefined; number = this.missing()) {
      const { doc, prompt } = this;
      const { revision } = doc;
      const action = { type: "alternative", number };
      const reply = await doc.kernel.request<{ box: Box }>("peek", { action }).catch(() => null);
      this.update();
      if (!reply) this.failed = prompt;
      else if (prompt === this.prompt && revision === doc.revision)
        this.add(number, reply.result.box, reply.buffers[0]);
    }
    this.isLoading = false;
  }

  private missing(): number | undefined {
    if (!this.prompt || this.prompt === this.failed) return undefined;
    const numbers = Array.from({ length: this.doc.alternatives.count ?? 0 }, (_, number) => number);
    return numbers.find((number) => !this.loaded.has(number));
  }

  /** Keep the mask that a suggestion makes of the current one. */
  private add(number: number, box: Box, packed: DataView) {
    const bitmap = new Bitmap();
    if (this.doc.current) bitmap.write(this.doc.current.bitmap);
    bitmap.write(unpack(box, packed));
    const mask = difference(bitmap.box, new Uint8Array(bitmap.bits.length), bitmap.bits);
    const area = bitmap.bits.reduce((sum, bit) => sum + bit, 0);
    if (mask) this.loaded.set(number, { box: mask.box, outline: new Outline(mask), area });
    else this.failed = this.prompt;
    this.changed();
  }
}
