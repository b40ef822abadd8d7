/** The annotator over the tiles: Python says which one, and it is shown here with what is to be decided about its instance. */
import { Doc } from "../state";
import type { Model } from "../transport";
import { commandButton } from "../ui/controls";
import { h, setText } from "../ui/dom";
import { View, type Frame, type Part } from "../view";
import { approach } from "./approach";
import { COMMANDS } from "./commands";
import { trouble } from "./overlay";
import { digits, writeChip } from "./tile";
import type { GalleryView } from "./view";

const TWICE_MS = 2_000; // two Escapes within this time leave
const TYPED = "input:is([type=text], [type=number])";

export interface Editor extends Part { readonly isOpen: boolean }

/** What Jupyter's own models have beside those of other hosts. */
interface Keeper { widget_manager?: { get_model(id: string): Promise<Model> } }

interface Mounted { view: View; close(): void }

export function editor(view: GalleryView, signal: AbortSignal): Editor {
  const { queue, queue: { repair, model } } = view, problem = trouble(queue);
  const button = (name: string, text?: string, look = "") => {
    const part = commandButton(view, name, COMMANDS[name], { text });
    if (look) part.element.classList.add(...look.split(" "));
    const key = view.keyOf(name);
    if (text && key) part.element.append(h("kbd", { class: "cdw-key" }, key.replace("Enter", "↵").replace("Backspace", "⌫")));
    return part;
  };
  const back = button("back", "Back", "cdw-text");
  back.element.append(h("kbd", { class: "cdw-key" }, "Esc Esc"));
  const parts = [
    back, button("previous"), button("next"), button("skip_edit", "Skip", "cdw-text"), button("reject_edit", "Reject", "cdw-text"),
    button("accept_edit", "Accept & next", "cdw-text cdw-primary"),
  ];
  const [, previous, next, ...verdicts] = parts.map((part) => part.element);
  const place = h("span", { class: "cdw-place" }), label = h("b", { class: "cdw-name" }), swatch = h("i", { class: "cdw-swatch" });
  const score = h("span", { class: "cdw-soft" }), reasons = h("div", { class: "cdw-reasons" }), said = h("span", { class: "cdw-said", role: "status" });
  const bench = h("div", { class: "cdw-bench" });
  const row = h("div", { class: "cdw-toolbar cdw-decide" }, back.element, previous, place, next, swatch, label, score, reasons, said, h("span", { class: "cdw-spacer" }), ...verdicts);
  const element = h("section", { class: "cdw-editor", "aria-label": "Editor", hidden: true }, row, bench, problem.element);
  let wanted: string | null = null, mounted: Mounted | null = null, escaped = -TWICE_MS;

  const frame: Frame = {
    get isFullscreen() { return view.screen.isFull; },
    toggleFullscreen: () => view.screen.toggle(),
    leave() {
      const now = performance.now(), again = now - escaped < TWICE_MS;
      escaped = again ? -TWICE_MS : now;
      queue.say(again ? "" : "Esc again: back to the tiles");
      if (again) view.run("back");
    },
  };

  function mount(child: Model): Mounted {
    const controller = new AbortController(), listening = onlyUntil(child, controller.signal);
    const before = h("canvas", { class: "cdw-before", "aria-hidden": "true" });
    listening.on("change:_image", () => keep(before, annotator.viewer.stage)); // before the document hears of it
    const doc = new Doc(listening), annotator = new View(doc, bench, controller.signal, frame);
    let approached = -1; // the image
    doc.listen(() => {
      if (doc.picture || doc.trouble) before.remove();
      if (!doc.picture || !doc.current?.outline || approached === doc.image.key) return;
      approached = doc.image.key;
      approach(annotator.viewer, doc.current.bitmap.box);
    }, controller.signal);
    return {
      view: annotator,
      close() {
        controller.abort();
        doc.close();
        bench.replaceChildren();
      },
    };
  }

  async function change(reference: string | null) {
    mounted?.close();
    mounted = null;
    const keeper = model as Model & Keeper;
    if (!reference) return;
    if (!keeper.widget_manager) return queue.fail("This host cannot show a widget inside another one; open the item with an Annotator of its own.");
    try {
      const child = await keeper.widget_manager.get_model(reference.replace(/^IPY_MODEL_/, ""));
      if (reference !== wanted || signal.aborted) return;
      mounted = mount(child);
      if (view.focused) mounted.view.focus();
    } catch (error) {
      queue.fail(`The editor cannot be shown: ${(error as Error).message}`);
    }
  }

  // Before the notebook and the annotator look at it.
  addEventListener("keydown", (event) => {
    const target = event.composedPath()[0];
    if (!(target instanceof Element) || !element.contains(target) || target.matches(TYPED)) return;
    const name = view.commandOf(event);
    if (!name) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (!event.repeat) view.run(name);
  }, { capture: true, signal });
  row.addEventListener("keydown", (event) => { if (event.key === "Escape") frame.leave(); }, { signal });
  for (const part of [row, problem.element]) {
    part.addEventListener("click", (event) => { if (event.detail > 0) mounted?.view.focus(); }, { signal }); // the keys stay with the annotator
  }
  signal.addEventListener("abort", () => mounted?.close());

  function refresh() {
    const reference: string | null = model.get("_editor") ?? null;
    if (reference !== wanted) {
      const had = view.focused;
      wanted = reference;
      element.hidden = !reference;
      void change(reference);
      view.onEditor(had);
    }
    if (!reference) return;
    parts.forEach((part) => part.refresh());
    problem.refresh();
    element.classList.toggle("cdw-deciding", repair.deciding);
    const { index } = repair, open = repair.open === null ? undefined : queue.rows.find(repair.open);
    setText(place, index === null ? "" : `${(index + 1).toLocaleString("en")} of ${queue.rows.count.toLocaleString("en")}`);
    setText(label, open ? open.label || "no label" : "");
    swatch.hidden = !open;
    if (open) swatch.style.setProperty("--swatch", view.color(open.label));
    setText(score, open && open.score !== null ? digits(open.score) : "");
    setText(said, queue.said);
    const why = open?.chips ?? [];
    while (reasons.children.length < why.length) reasons.append(h("span", { class: "cdw-reason" }, h("span"), h("i")));
    [...reasons.children].forEach((chip, i) => writeChip(chip as HTMLElement, why[i]));
  }

  return { element, refresh, get isOpen() { return wanted !== null; } };
}

/** What a stage shows now stays over it, so that it does not go blank until the next image is there. */
function keep(before: HTMLCanvasElement, stage: HTMLElement) {
  const [image, masks, hand] = stage.querySelectorAll("canvas"), ctx = before.getContext("2d")!;
  [before.width, before.height] = [image.width, image.height];
  for (const canvas of [image, masks]) ctx.drawImage(canvas, 0, 0);
  hand.after(before);
}

/** A model whose listeners are gone when the signal is aborted: it outlives what looks at it. */
function onlyUntil(model: Model, signal: AbortSignal): Model {
  return {
    get: (name) => model.get(name),
    set: (name, value) => model.set(name, value),
    save_changes: () => model.save_changes(),
    send: (content, callbacks, buffers) => model.send(content, callbacks, buffers),
    on(event, callback) {
      model.on(event, callback);
      signal.addEventListener("abort", () => model.off(event, callback));
    },
    off: (event, callback) => model.off(event, callback),
  };
}
