/** The editor over the tiles: Python selects the instance, and the annotator is shown with the decisions about it. */

import { zoomToBox } from "../camera";
import { ImageDocument } from "../document";
import { context2d, h, setText } from "../dom";
import type { AnnotatorModel, AnnotatorTraits } from "../traits";
import { commandButton, refreshAll } from "../ui/controls";
import type { Frame, Part } from "../ui/host";
import { noticeBanner } from "../ui/notice";
import { AnnotatorView } from "../view";
import type { EditorHost } from "./host";
import { labelText } from "./rows";
import { reasonChip, suspicion, writeReason } from "./tile";

const DOUBLE_ESCAPE_MS = 2_000; // two Escapes within this time leave the editor
const TEXT_FIELDS = "input:is([type=text], [type=number])";

export interface Editor extends Part {
  readonly isOpen: boolean;
}

interface MountedAnnotator {
  view: AnnotatorView;
  close(): void;
}

export function editor(host: EditorHost, signal: AbortSignal): Editor {
  const { queue } = host;
  const notice = noticeBanner(queue.kernel);
  const head = editorHead(host);
  const workspace = h("div", { class: "cdw-bench" });
  const element = h(
    "section",
    { class: "cdw-editor", "aria-label": "Editor", hidden: true },
    head.element,
    workspace,
    notice.element,
  );
  let reference: string | null = null; // reference to the annotator that Python shows
  let mounted: MountedAnnotator | null = null;
  let escapedAt = -DOUBLE_ESCAPE_MS;

  const frame: Frame = {
    get isFullscreen() {
      return host.screen.isOn;
    },
    toggleFullscreen: () => host.screen.toggle(),
    leave() {
      const now = performance.now();
      const isSecond = now - escapedAt < DOUBLE_ESCAPE_MS;
      escapedAt = isSecond ? -DOUBLE_ESCAPE_MS : now;
      queue.showMessage(isSecond ? "" : "Press Esc again to go back to the grid");
      if (isSecond) host.commands.run("back");
    },
  };

  function mount(model: AnnotatorModel): MountedAnnotator {
    const controller = new AbortController();
    const scopedModel = withSignal(model, controller.signal);
    const lastImage = h("canvas", { class: "cdw-before", "aria-hidden": "true" });
    scopedModel.on("change:_image", () => copyStage(lastImage, view)); // registered before the document's own listener
    const doc = new ImageDocument(scopedModel);
    const view = new AnnotatorView(doc, workspace, controller.signal, frame);
    let zoomedImage = -1;
    doc.listen(() => {
      if (doc.picture || doc.kernel.notice) lastImage.remove();
      if (!doc.picture || !doc.current?.outline || zoomedImage === doc.image.key) return;
      zoomedImage = doc.image.key;
      zoomToBox(view.viewer, doc.current.bitmap.box);
    }, controller.signal);
    return {
      view,
      close() {
        controller.abort();
        doc.close();
        workspace.replaceChildren();
      },
    };
  }

  async function replaceAnnotator(next: string | null) {
    mounted?.close();
    mounted = null;
    if (!next) return;
    if (!host.findModel)
      return queue.kernel.showError(
        "This host cannot show a widget inside another one. Open the item with an Annotator in its own cell.",
      );
    try {
      const model = (await host.findModel(next)) as AnnotatorModel;
      if (next !== reference || signal.aborted) return;
      mounted = mount(model);
      if (host.hasFocus) mounted.view.focus();
    } catch (error) {
      queue.kernel.showError(`The editor could not be opened: ${(error as Error).message}`);
    }
  }

  // Handled in the capture phase, before the notebook and the annotator.
  addEventListener(
    "keydown",
    (event) => {
      const target = event.composedPath()[0];
      if (!(target instanceof Element) || !element.contains(target) || target.matches(TEXT_FIELDS)) return;
      const name = host.commandOf(event);
      if (!name) return;
      event.preventDefault();
      event.stopImmediatePropagation();
      if (!event.repeat) host.commands.run(name);
    },
    { capture: true, signal },
  );
  head.element.addEventListener("keydown", (event) => event.key === "Escape" && frame.leave(), { signal });
  for (const part of [head.element, notice.element]) {
    const focusAnnotator = (event: MouseEvent) => {
      if (event.detail > 0) mounted?.view.focus(); // after a mouse click, the annotator keeps the keyboard focus
    };
    part.addEventListener("click", focusAnnotator, { signal });
  }
  signal.addEventListener("abort", () => mounted?.close());

  function refresh() {
    const wanted = queue.model.get("_editor") ?? null;
    if (wanted !== reference) {
      const hadFocus = host.hasFocus;
      reference = wanted;
      element.hidden = !wanted;
      void replaceAnnotator(wanted);
      host.onEditorToggle(hadFocus);
    }
    if (!wanted) return;
    refreshAll([head, notice]);
    element.classList.toggle("cdw-deciding", queue.editor.isBusy);
  }

  return {
    element,
    refresh,
    get isOpen() {
      return reference !== null;
    },
  };
}

/** The row above the annotator: back, position, label, score, reasons and decisions. */
function editorHead(host: EditorHost): Part {
  const { queue } = host;
  const button = (name: string, text?: string, className = "") => {
    const part = commandButton(host.commands, name, { text });
    if (className) part.element.classList.add(...className.split(" "));
    const key = host.commands.keyOf(name);
    if (text && key) part.element.append(keyCap(key.replace("Enter", "↵").replace("Backspace", "⌫")));
    return part;
  };
  const back = button("back", "Back", "cdw-text");
  back.element.append(keyCap("Esc Esc"));
  const previous = button("previous");
  const next = button("next");
  const decisions = [
    button("skip_edit", "Skip", "cdw-text"),
    button("reject_edit", "Reject", "cdw-text"),
    button("accept_edit", "Accept & next", "cdw-text cdw-primary"),
  ];
  const position = h("span", { class: "cdw-place" });
  const label = h("b", { class: "cdw-name" });
  const swatch = h("i", { class: "cdw-swatch" });
  const score = h("span", { class: "cdw-soft" });
  const reasons = h("div", { class: "cdw-reasons" });
  const message = h("span", { class: "cdw-said", role: "status" });
  const element = h(
    "div",
    { class: "cdw-toolbar cdw-decide" },
    back.element,
    previous.element,
    position,
    next.element,
    swatch,
    label,
    score,
    reasons,
    message,
    h("span", { class: "cdw-spacer" }),
    ...decisions.map((part) => part.element),
  );

  function refresh() {
    refreshAll([back, previous, next, ...decisions]);
    const { index, open } = queue.editor;
    const row = open === null ? undefined : queue.rows.find(open);
    const count = queue.rows.count.toLocaleString("en");
    setText(position, index === null ? "" : `${(index + 1).toLocaleString("en")} of ${count}`);
    setText(label, row ? labelText(row) : "");
    swatch.hidden = !row || row.objects !== null;
    if (row) swatch.style.setProperty("--swatch", host.color(row.label));
    setText(score, row && row.score !== null ? suspicion(row.score) : "");
    setText(message, queue.message);
    const chips = row?.chips ?? [];
    while (reasons.children.length < chips.length) reasons.append(reasonChip());
    for (const [i, chip] of [...reasons.children].entries()) writeReason(chip as HTMLElement, chips[i]);
  }

  return { element, refresh };
}

function keyCap(text: string): HTMLElement {
  return h("kbd", { class: "cdw-key" }, text);
}

/** Keep the current image over the stage until the next one is loaded, so that the stage does not go blank. */
function copyStage(copy: HTMLCanvasElement, { viewer }: AnnotatorView) {
  const { imageCanvas, maskCanvas, previewCanvas } = viewer;
  const context = context2d(copy);
  copy.width = imageCanvas.width;
  copy.height = imageCanvas.height;
  for (const canvas of [imageCanvas, maskCanvas]) context.drawImage(canvas, 0, 0);
  previewCanvas.after(copy);
}

/** Return a model whose listeners are removed when the signal is aborted: the model outlives its views. */
function withSignal(model: AnnotatorModel, signal: AbortSignal): AnnotatorModel {
  return {
    get: <Name extends keyof AnnotatorTraits>(name: Name) => model.get(name),
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
