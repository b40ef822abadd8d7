/** What the list is filtered by: a few controls, each for traits that Python knows too. */
import type { Model } from "../transport";
import { popover } from "../ui/controls";
import { h, setText } from "../ui/dom";
import type { Part } from "../view";
import type { GalleryView } from "./view";

export const PLAIN = { status: [], labels: [], tag: [], only: [], text: "", min_score: null, max_score: null };

const TYPED_MS = 250; // after the last key, the list is asked for
const SEARCHED = 12; // from so many choices on there is a field to look for one

export function isFiltered(model: Model): boolean {
  return Object.entries(PLAIN).some(([trait, plain]) => JSON.stringify(model.get(trait) ?? plain) !== JSON.stringify(plain));
}

/** Any of some values, in a panel. */
export function several(view: GalleryView, title: string, trait: "status" | "labels" | "tag", choices: () => string[]): Part {
  const { model } = view.queue, chosen = (): string[] => model.get(trait);
  const text = h("span"), search = h("input", { type: "text", class: "cdw-typed", placeholder: "Find…", "aria-label": `Find a ${title.toLowerCase()}`, oninput: () => list() });
  const rows = h("div", { class: "cdw-options-list" });
  const all = h("button", { type: "button", class: "cdw-button", onclick: () => set([]) }, "Any");
  const content = h("div", { class: "cdw-several" }, search, rows, all);
  let listed = "";

  function set(values: string[]) { view.queue.write({ [trait]: values }); }

  function list() {
    const wanted = search.value.trim().toLowerCase(), found = choices().filter((one) => one.toLowerCase().includes(wanted)), now = chosen();
    const state = JSON.stringify([found, now]);
    if (state === listed) return;
    listed = state;
    const had = (rows.getRootNode() as Document | ShadowRoot).activeElement, at = had && rows.contains(had) ? [...rows.querySelectorAll("input")].indexOf(had as HTMLInputElement) : -1;
    rows.replaceChildren(...found.map((value) => {
      const box = h("input", { type: "checkbox", onchange: () => set(box.checked ? [...chosen(), value] : chosen().filter((other) => other !== value)) });
      box.checked = now.includes(value);
      const swatch = trait === "labels" ? h("i", { class: "cdw-swatch", style: `--swatch: ${view.color(value)}` }) : null;
      return h("label", { class: "cdw-check" }, box, swatch, h("span", { class: "cdw-name", title: value }, value || "no label"));
    }));
    rows.querySelectorAll("input")[at]?.focus();
  }

  const refreshContent = () => {
    search.hidden = choices().length < SEARCHED;
    all.disabled = chosen().length === 0;
    list();
  };
  const { element, button, refresh } = popover(`${title}: which to show`, "", { element: content, refresh: refreshContent }, text);
  return {
    element,
    refresh() {
      const values = chosen();
      element.hidden = !values.length && !choices().length;
      setText(text, values.length === 0 ? title : values.length === 1 ? `${title}: ${values[0] || "none"}` : `${title}: ${values.length}`);
      button.classList.toggle("cdw-changed", values.length > 0);
      button.disabled = view.queue.dead;
      refresh();
    },
  };
}

/** From which score to which. */
export function scores(view: GalleryView): Part {
  const { model } = view.queue, text = h("span");
  const field = (label: string, trait: "min_score" | "max_score") => {
    const input = h("input", {
      type: "number", min: "0", max: "1", step: "0.05", class: "cdw-typed", "aria-label": `Score ${label}`, placeholder: trait === "min_score" ? "0" : "1",
      onchange: () => view.queue.write({ [trait]: input.value === "" ? null : Math.min(1, Math.max(0, Number(input.value))) }),
    });
    const refresh = () => { input.value = model.get(trait) === null ? "" : String(model.get(trait)); };
    return { element: h("label", { class: "cdw-from" }, label, input), refresh };
  };
  const fields = [field("from", "min_score"), field("to", "max_score")];
  const any = h("button", { type: "button", class: "cdw-button", onclick: () => view.queue.write({ min_score: null, max_score: null }) }, "Any");
  const content = h("div", { class: "cdw-several" }, ...fields.map((one) => one.element), any);
  const { element, button, refresh } = popover("Score: which to show", "", { element: content, refresh: () => fields.forEach((one) => one.refresh()) }, text);
  return {
    element,
    refresh() {
      const [low, high] = [model.get("min_score"), model.get("max_score")] as (number | null)[];
      setText(text, low === null && high === null ? "Score" : `Score: ${low ?? 0} – ${high ?? 1}`);
      button.classList.toggle("cdw-changed", low !== null || high !== null);
      button.disabled = view.queue.dead;
      refresh();
    },
  };
}

/** Text in a path or a label; the list is asked for when the hand rests. */
export function search(view: GalleryView): Part & { element: HTMLInputElement } {
  const { model } = view.queue;
  let resting: ReturnType<typeof setTimeout> | undefined;
  const write = () => {
    clearTimeout(resting);
    if (element.value !== model.get("text")) view.queue.write({ text: element.value });
  };
  const element = h("input", {
    type: "text", class: "cdw-typed cdw-search", placeholder: "Search name, label", "aria-label": "Search in names and labels",
    oninput: () => {
      clearTimeout(resting);
      resting = setTimeout(write, TYPED_MS);
    },
    onkeydown: (event: KeyboardEvent) => {
      if (event.key !== "Enter") return;
      write();
      view.takeFocus();
    },
  });
  const focused = () => (element.getRootNode() as Document | ShadowRoot).activeElement === element;
  return { element, refresh: () => { if (!focused() && element.value !== model.get("text")) element.value = model.get("text"); } };
}
