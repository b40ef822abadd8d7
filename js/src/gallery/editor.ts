/** The annotator over the tiles: Python says which one, and it is shown here with what is to be decided about its instance. */
import { Doc } from "../state";
import type { Model } from "../transport";
import { commandButton } from "../ui/controls";
import { h, setText } from "../ui/dom";
import { View, type Frame, type Part } from "../view";
import { COMMANDS } from "./commands";
import { trouble } from "./overlay";
import { digits, writeChip } from "./tile";
import type { GalleryView } from "./view";

const TWICE_MS = 2_000; // two Escapes within this time leave
const TYPED = "input:is([type=text], [type=number])";

export interface Editor extends Part { readonly isOpen: boolean }

/** What Jupyter's own models have beside those of other hosts. */
interface Keeper { widget_manager?: { get_model(id: string): Promise<Model> } }

interface Mounted { host: HTMLElement; doc: Doc; view: View; close(): void }

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
    back, button("editor_previous"), button("editor_next"), button("editor_skip", "Skip", "cdw-text"), button("editor_reject", "Reject", "cdw-text"),
    button("editor_accept", "Accept & next", "cdw-text cdw-primary"),
  ];
  const [, previous, next, ...verdicts] = parts.map((part) => part.element);
  const place = h("span", { class: "cdw-place" }), label = h("b", { class: "cdw-name" }), swatch = h("i", { class: "cdw-swatch" });
  const score = h("span", { class: "cdw-soft" }), reasons = h("div", { class: "cdw-reasons" }), said = h("span", { class: "cdw-said", role: "status" });
  const bench = h("div", { class: "cdw-bench" });
  const element = h("section", { class: "cdw-editor", "aria-label": "Editor", hidden: true },
    h("div", { class: "cdw-toolbar cdw-decide" }, back.element, previous, place, next, swatch, label, score, reasons, said, h("span", { class: "cdw-spacer" }), ...verdicts),
    bench, problem.element);
  let wanted: string | null = null, mounts: Mounted[] = [], shown: Mounted | null = null, escaped = 0;

  const frame: Frame = {
    get isFullscreen() { return view.screen.isFull; },
    toggleFullscreen: () => view.screen.toggle(),
    leave() {
      const now = performance.now();
      if (now - escaped < TWICE_MS) view.run("back");
      else queue.say("Esc again: back to the tiles");
      escaped = now;
    },
  };

  /** Lay an annotator over the one before, which is seen until there is something to see in this one. */
  function mount(child: Model): Mounted {
    const controller = new AbortController(), listening = onlyUntil(child, controller.signal), doc = new Doc(listening);
    const host = h("div", { class: "cdw-mounted" });
    bench.append(host);
    const mounted = {
      host, doc, view: new View(doc, host, controller.signal, frame),
      close() {
        controller.abort();
        doc.close();
        host.remove();
      },
    };
    doc.listen(() => show(mounted), controller.signal);
    keep([shown, mounted]);
    return mounted;
  }

  /** Close all but these. */
  function keep(some: (Mounted | null)[]) {
    mounts.filter((one) => !some.includes(one)).forEach((one) => one.close());
    mounts = some.filter((one) => one !== null);
  }

  function show(mounted: Mounted) {
    if (shown === mounted || (shown && !mounted.doc.picture && !mounted.doc.trouble)) return;
    shown = mounted;
    keep([mounted]);
    mounted.host.classList.add("cdw-front");
    if (view.focused) mounted.view.focus();
  }

  async function change(reference: string | null) {
    if (!reference) {
      keep([]);
      shown = null;
      return;
    }
    const keeper = model as Model & Keeper;
    if (!keeper.widget_manager) return queue.fail("This host cannot show a widget inside another one; open the item with an Annotator of its own.");
    try {
      const child = await keeper.widget_manager.get_model(reference.replace(/^IPY_MODEL_/, ""));
      if (reference === wanted && !signal.aborted) show(mount(child));
    } catch (error) {
      queue.fail(`The editor cannot be shown: ${(error as Error).message}`);
    }
  }

  element.addEventListener("keydown", (event) => {
    const name = (event.target as Element).matches(TYPED) ? undefined : view.commandOf(event);
    if (!name) return;
    event.preventDefault();
    event.stopPropagation();
    if (!event.repeat) view.run(name);
  }, { capture: true, signal });
  signal.addEventListener("abort", () => keep([]));

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
    const { index } = repair, row = repair.open === null ? undefined : queue.rows.find(repair.open);
    setText(place, index === null ? "" : `${(index + 1).toLocaleString("en")} of ${queue.rows.count.toLocaleString("en")}`);
    setText(label, row ? row.label || "no label" : "");
    swatch.hidden = !row;
    if (row) swatch.style.setProperty("--swatch", view.color(row.label));
    setText(score, row && row.score !== null ? digits(row.score) : "");
    setText(said, queue.said);
    const why = row?.chips ?? [];
    while (reasons.children.length < why.length) reasons.append(h("span", { class: "cdw-reason" }, h("span"), h("i")));
    [...reasons.children].forEach((chip, i) => writeChip(chip as HTMLElement, why[i]));
  }

  return { element, refresh, get isOpen() { return wanted !== null; } };
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
