/** Keys typed as fast as possible have the same effect as keys typed slowly, however long the kernel takes. */
import { expect, test, vi } from "vitest";
import { ImageDocument } from "./document";
import { EditQueue } from "./edit_queue";
import { ObjectSelection } from "./object_selection";
import type { AnnotatorModel } from "./traits";
import { CommandSet } from "./ui/command_set";
import { COMMANDS } from "./ui/commands";
import type { AnnotatorHost } from "./ui/host";

vi.stubGlobal("Path2D", class {});
vi.stubGlobal(
  "OffscreenCanvas",
  class {
    getContext() {
      return {
        createImageData: (w: number, h: number) => ({ data: new Uint8ClampedArray(4 * w * h) }),
        putImageData() {},
      };
    }
  },
);
vi.stubGlobal("createImageBitmap", async () => ({ width: 8, height: 1, close() {} }));

const soon = (run: (value?: unknown) => void) => (globalThis as any).setImmediate(run); // sooner than a timeout

interface FakeObject {
  id: number;
  label: string;
  pixels: number[]; // positions in the only row of the image
  clicks: number;
  chosen: number;
}
interface FakeState {
  objects: FakeObject[];
  selected: number;
  nextId: number;
  locked: boolean;
}

/** A kernel with three images of one row; it replies to one request after another, and its traits arrive after its replies. */
class FakeKernel {
  images = [0, 1, 2].map(() => ({ state: newState(), done: [] as FakeState[], undone: [] as FakeState[] }));
  index = 0;
  key = 1;
  revision = 0;
  traits: Record<string, any> = {
    _image: this.imageInfo(),
    _phase: { name: "ready", error: "" },
    _tools: [{ name: "click", label: "Click", source: "model" }],
    _buttons: [],
    _in_use: false,
    busy: false,
    view_only: false,
    labels: ["a", "b", "c"],
    label: "",
    label_finishes: false,
  };
  private requests: any[] = [];
  private isReplying = false;
  private listeners: [string, (...args: any[]) => void][] = [];

  get = (name: string) => this.traits[name];
  set() {}
  save_changes() {}
  off() {}
  on(event: string, listener: any) {
    this.listeners.push([event, listener]);
  }
  send(request: any) {
    this.requests.push(request);
    if (!this.isReplying) this.reply();
  }
  get isIdle() {
    return !this.requests.length && !this.isReplying;
  }
  /** All that a user has made. */
  get result() {
    return JSON.stringify([this.index, this.images.map(({ state }) => state)]);
  }

  private reply() {
    const request = this.requests.shift();
    this.isReplying = request !== undefined;
    if (!request) return;
    soon(() => {
      const { key } = this;
      let message: object;
      try {
        message = { ok: true, result: this.handle(request) };
      } catch (error) {
        message = { ok: false, error: String(error), kind: "ValueError" };
      }
      const patches = (message as any).result?.document?.patches ?? [];
      const buffers = patches.map((patch: any) => new DataView(Uint8Array.of(patch.byte).buffer));
      this.fire(
        "msg:custom",
        { id: request.id, ...message },
        request.op === "image" ? [new DataView(new ArrayBuffer(1))] : buffers,
      );
      soon(() => {
        if (key !== this.key) {
          this.traits._image = this.imageInfo();
          this.fire("change:_image");
        }
        this.reply();
      });
    });
  }

  private fire(event: string, ...args: any[]) {
    for (const [name, listener] of this.listeners) if (name === event) listener(...args);
  }

  private imageInfo() {
    return { key: this.key, name: "", width: 8, height: 1, index: this.index, count: 3 };
  }

  private handle({ op, action, step, key }: any): any {
    const image = this.images[this.index];
    if (op === "image") return { key: this.key, mime: "image/png" };
    if (op === "document") return this.document();
    if (op === "go") return this.go(step);
    if (key !== this.key) throw new Error("another image");
    if (op === "submit" || op === "skip") {
      if (op === "submit" && objectOf(image.state).pixels.length) this.change((state) => start(state));
      return this.index < 2 ? this.go(1) : { passed: [], key: this.key, left: 0, is_last: true };
    }
    if (op === "undo" || op === "redo") {
      const [from, to] = op === "undo" ? [image.done, image.undone] : [image.undone, image.done];
      const found = from.pop();
      if (!found) return {};
      to.push(image.state);
      image.state = found;
      return this.document();
    }
    this.change((state) => apply(state, action));
    return this.document();
  }

  private go(step: number) {
    if (!this.images[this.index + step]) throw new Error("no such image");
    this.index += step;
    this.key++;
    return { passed: [], key: this.key };
  }

  private change(edit: (state: FakeState) => void) {
    const image = this.images[this.index];
    const state = structuredClone(image.state);
    edit(state);
    if (JSON.stringify(state) === JSON.stringify(image.state)) return;
    image.done.push(image.state);
    image.undone = [];
    image.state = state;
  }

  private document() {
    const { state, done, undone } = this.images[this.index];
    const byte = (one: FakeObject) => one.pixels.reduce((sum, x) => sum | (128 >> x), 0);
    const { clicks, chosen } = objectOf(state);
    return {
      document: {
        whole: true,
        key: this.key,
        revision: ++this.revision,
        selected: state.selected,
        locked: state.locked,
        can_undo: done.length > 0,
        can_redo: undone.length > 0,
        instances: state.objects.map(({ id, label }) => ({ id, label })),
        prompts: [],
        alternatives: { count: clicks ? 3 : 0, chosen },
        patches: state.objects.map((one) => ({ id: one.id, box: [0, 0, 8, 1], soft: false, byte: byte(one) })),
      },
    };
  }
}

function newState(): FakeState {
  return { objects: [{ id: 1, label: "", pixels: [], clicks: 0, chosen: 0 }], selected: 1, nextId: 2, locked: false };
}

function objectOf(state: FakeState, id = state.selected): FakeObject {
  const found = state.objects.find((one) => one.id === id);
  if (!found) throw new Error(`no object ${id}`);
  return found;
}

function start(state: FakeState, copied?: FakeObject) {
  const { label, pixels } = objectOf(state);
  if (!pixels.length && !copied) return;
  const id = state.nextId++;
  state.objects.push({ id, label, pixels: copied ? [...copied.pixels] : [], clicks: 0, chosen: 0 });
  state.selected = id;
}

function apply(state: FakeState, action: any) {
  const current = objectOf(state);
  const ids: number[] = [action.instance ?? state.selected].flat();
  if (action.type === "click") {
    current.pixels = [...new Set([...current.pixels, action.x])].sort();
    current.clicks++;
    current.chosen = 0;
  } else if (action.type === "accept" || (action.type === "select" && action.instance === null)) start(state);
  else if (action.type === "select") state.selected = objectOf(state, action.instance).id;
  else if (action.type === "relabel") for (const id of ids) objectOf(state, id).label = action.label;
  else if (action.type === "duplicate") start(state, current);
  else if (action.type === "lock") state.locked = action.on;
  else if (action.type === "alternative") current.chosen = (action.number + 3) % 3;
  else if (action.type === "merge") {
    current.pixels = [...new Set([...current.pixels, ...objectOf(state, action.instance).pixels])].sort();
    state.objects = state.objects.filter((one) => one.id !== action.instance);
  } else if (action.type === "reorder") {
    const moved = objectOf(state, action.instance);
    state.objects = state.objects.filter((one) => one !== moved);
    state.objects.splice(action.position, 0, moved);
  } else if (action.type === "delete") {
    state.objects = state.objects.filter((one) => !ids.includes(one.id));
    if (ids.includes(state.selected)) {
      const id = state.nextId++;
      state.objects.push({ id, label: current.label, pixels: [], clicks: 0, chosen: 0 });
      state.selected = id;
    }
  } else throw new Error(`no action ${action.type}`);
}

const KEYS = [
  ...[
    "finish",
    "finish",
    "finish",
    "1",
    "2",
    "3",
    "next",
    "next",
    "previous",
    "submit",
    "skip",
    "undo",
    "undo",
    "redo",
  ],
  ...["delete", "delete_last", "alternative", "previous_alternative", "lock", "new", "duplicate", "merge"],
  ...["select_all", "forward", "backward"],
];

/** A page with a user: a number is a click at that position, other entries are commands and digits. */
class Page {
  readonly kernel = new FakeKernel();
  readonly doc = new ImageDocument(this.kernel as unknown as AnnotatorModel);
  readonly objects = new ObjectSelection(this.doc, () => {});
  private readonly commands = new CommandSet<AnnotatorHost>({
    table: COMMANDS,
    host: { doc: this.doc, objects: this.objects, options: { amount: 2 } } as unknown as AnnotatorHost,
    shortcuts: () => ({}),
    queue: this.doc,
  });

  async open() {
    this.doc.open();
    await this.settled();
  }

  async settled() {
    do await new Promise(soon);
    while (this.doc.isBusy || !this.kernel.isIdle || !this.doc.picture);
  }

  async type(entry: string | number) {
    if (typeof entry === "number") {
      if (!this.doc.acceptsGestures()) await this.settled(); // nobody clicks on an image before it is there
      void this.doc.commit({ type: "click", x: entry, y: 0, positive: true });
    } else if (/^\d$/.test(entry)) {
      const label = this.kernel.traits.labels[Number(entry) - 1];
      void this.doc.edit(() => this.objects.setLabel(label));
    } else this.commands.press(entry, false);
    this.objects.update();
  }
}

/** Pseudo-random numbers from 0 to 1. */
function randomNumbers(seed: number) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

function sequence(seed: number): (string | number)[] {
  const random = randomNumbers(seed);
  return Array.from({ length: 14 }, () =>
    random() < 0.4 ? Math.floor(8 * random()) : KEYS[Math.floor(KEYS.length * random())],
  );
}

async function play(entries: (string | number)[], isSlow: boolean): Promise<string> {
  const page = new Page();
  await page.open();
  for (const entry of entries) {
    await page.type(entry);
    if (isSlow) await page.settled();
  }
  await page.settled();
  const { kernel, doc } = page;
  const shown = doc.instances.map(({ id, label, area }) => [id, label, area]);
  expect(shown).toEqual(kernel.images[kernel.index].state.objects.map((one) => [one.id, one.label, one.pixels.length]));
  doc.close();
  return kernel.result;
}

test("200 random sequences give the same document typed fast and typed slowly", async () => {
  for (let seed = 1; seed <= 200; seed++) {
    const entries = sequence(seed);
    const [fast, slow] = [await play(entries, false), await play(entries, true)];
    expect(fast, entries.join(" ")).toBe(slow);
  }
}, 60_000);

test("five clicks with Enter in between, all before the first reply, are five objects of their class", async () => {
  const entries = [0, "1", "finish", 2, "finish", 4, "2", "finish", 6, "finish", 7, "next"];
  const [, [first]] = JSON.parse(await play(entries, false));
  expect(first.objects.map((one: FakeObject) => [one.label, one.pixels])).toEqual([
    ["a", [0]],
    ["a", [2]],
    ["b", [4]],
    ["b", [6]],
    ["b", [7]],
  ]);
});

test("a click before the next image is there is not applied to it", async () => {
  const page = new Page();
  await page.open();
  await page.type("next");
  expect(page.doc.acceptsGestures()).toBe(false);
  expect(page.doc.message).toBe("Another image is being opened");
  await page.settled();
  expect(page.doc.acceptsGestures()).toBe(true);
});

test("an edit of an object on the screen is not applied to the object with its id in the next image", async () => {
  const page = new Page();
  await page.open();
  page.kernel.images[1].state.objects[0].pixels = [3];
  for (const entry of [0, "finish"]) await page.type(entry);
  await page.settled();
  await page.type("next");
  const { doc, objects } = page;
  void doc.editShown(() => doc.apply({ type: "delete", instance: 1 }));
  void doc.editShown(() => objects.setLabel("a", [1]));
  void doc.edit(() => objects.setLabel("b"));
  await page.settled();
  const [first, second] = page.kernel.images.map(({ state }) =>
    state.objects.map((one) => [one.id, one.label, one.pixels]),
  );
  expect(first[0]).toEqual([1, "", [0]]);
  expect(second).toEqual([[1, "b", [3]]]);
  expect(doc.message).toBe("Another image is shown now, so this change was not made");
  void doc.editShown(() => doc.apply({ type: "delete", instance: 1 }));
  await page.settled();
  expect(page.kernel.images[1].state.objects[0].id).toBe(2);
});

test("an edit that fails does not stop those after it", async () => {
  const queue = new EditQueue(() => {});
  const order: number[] = [];
  const failed = queue.add(async () => {
    order.push(1);
    throw new Error("no");
  });
  const next = queue.add(() => order.push(2));
  await expect(failed).rejects.toThrow("no");
  await next;
  expect([order, queue.isBusy]).toEqual([[1, 2], false]);
});
