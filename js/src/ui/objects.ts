/** The objects, the one in front on top: select, choose several, order, rename, hide, delete. */
import type { Instance } from "../state";
import type { Part, View } from "../view";
import { button, tip } from "./controls";
import { h, setText } from "./dom";
import { icon } from "./icons";

const DRAG_FROM = 5; // CSS pixels that the pointer moves before a press is a drag

export interface Objects extends Part { rename(id: number): void }

export function objects(view: View): Objects {
  const { doc, doc: { model } } = view;
  const count = h("span", { class: "cdw-count" }), fresh = button(view, "new", { small: true });
  const rows = h("div", { class: "cdw-rows", role: "grid", "aria-label": "Objects, the one in front first", "aria-multiselectable": "true" });
  const tools = ["duplicate", "merge", "split", "snap", "forward", "backward", "delete"].map((name) => button(view, name, { small: true }));
  const bar = h("div", { class: "cdw-bar", role: "toolbar", "aria-label": "Change objects" }, ...tools.map((part) => part.element));
  const names = h("datalist", { id: `cdw-labels-${Math.random().toString(36).slice(2)}` });
  const element = h("section", { class: "cdw-objects", "aria-label": "Objects" },
    h("div", { class: "cdw-title" }, "Objects", count, fresh.element), rows, bar, names);
  let shown = "", shownAt = "", renaming = false, focused: number | null = null;

  function row(instance: Instance) {
    const { id } = instance, hidden = view.hidden.has(id), draft = !instance.outline, current = id === doc.selected, marked = view.marked.has(id);
    const title = instance.label || (draft ? "New object" : `Object ${id}`);
    const eye = h("button", { type: "button", class: `cdw-button cdw-small${hidden ? "" : " cdw-late"}`, "aria-pressed": String(hidden) }, icon(hidden ? "hidden" : "eye"));
    tip(eye, hidden ? "Show" : "Hide (Alt: all others)");
    eye.setAttribute("aria-label", hidden ? "Show" : "Hide");
    const trash = h("button", { type: "button", class: "cdw-button cdw-small cdw-late" }, icon("delete"));
    tip(trash, "Delete");
    trash.disabled = !doc.editable;
    const area = h("span", { class: "cdw-area", title: "Pixels" }, draft ? "" : instance.area.toLocaleString("en"));
    const cell = (...children: (HTMLElement | null)[]) => h("div", { role: "gridcell" }, ...children);
    const element = h("div", {
      class: `cdw-row${draft ? " cdw-draft" : ""}${hidden ? " cdw-hidden" : ""}${marked ? " cdw-marked" : ""}`, role: "row",
      "aria-selected": String(current || marked), "data-id": String(id), tabindex: "-1", style: `--swatch: ${view.color(instance)}`,
      onclick: (event: MouseEvent) => choose(id, event.ctrlKey || event.metaKey),
      ondblclick: () => rename(id),
      onpointerdown: (event: PointerEvent) => press(event, element),
      onfocus: () => { focused = id; },
    }, h("div", { role: "gridcell", class: "cdw-what" }, h("i", { class: "cdw-swatch" }), h("span", { class: "cdw-name", title }, title)),
      cell(area), draft ? null : cell(trash), draft ? null : cell(eye));
    if (current) element.setAttribute("aria-current", "true");
    eye.addEventListener("click", (event) => {
      event.stopPropagation();
      if (event.altKey) view.showOnly(id);
      else view.toggleHidden(id);
    });
    trash.addEventListener("click", (event) => {
      event.stopPropagation();
      void doc.apply({ type: "delete", instance: id });
    });
    return element;
  }

  function choose(id: number, beside: boolean) {
    if (!doc.editable) return;
    if (beside) return view.mark(id);
    view.marked.clear();
    if (id !== doc.selected) void doc.apply({ type: "select", instance: id });
    else view.refresh();
  }

  /** A press that moves takes the row along; where it is let go, the object has its new place. */
  function press(event: PointerEvent, row: HTMLElement) {
    if (event.button !== 0 || !doc.editable || (event.target as Element).closest("button, input")) return;
    const others = [...rows.children] as HTMLElement[], from = others.indexOf(row), start = event.clientY;
    let to = from, dragging = false;
    const move = (moved: PointerEvent) => {
      if (!dragging && Math.abs(moved.clientY - start) < DRAG_FROM) return;
      if (!dragging) row.setPointerCapture(event.pointerId);
      dragging = true;
      row.classList.add("cdw-dragged");
      row.style.transform = `translateY(${moved.clientY - start}px)`;
      to = others.filter((other) => other !== row).filter((other) => {
        const box = other.getBoundingClientRect();
        return box.top + box.height / 2 < moved.clientY;
      }).length;
      others.forEach((other, i) => {
        other.classList.toggle("cdw-before", dragging && i === (to < from ? to : to + 1) && to !== from);
        other.classList.toggle("cdw-after", to === others.length - 1 && i === to && to !== from);
      });
    };
    const end = (ended: Event) => {
      stop.abort();
      row.classList.remove("cdw-dragged");
      row.style.transform = "";
      others.forEach((other) => other.classList.remove("cdw-before", "cdw-after"));
      if (!dragging) return;
      row.addEventListener("click", (click) => click.stopImmediatePropagation(), { capture: true, once: true });
      setTimeout(() => { shown = ""; refresh(); });
      if (ended.type === "pointerup") view.reorder(Number(row.dataset.id), from - to); // the list is upside down
    };
    const stop = new AbortController(), { signal } = stop;
    row.addEventListener("pointermove", move, { signal });
    row.addEventListener("pointerup", end, { signal });
    row.addEventListener("pointercancel", end, { signal });
    row.addEventListener("pointerleave", (left) => { if (!dragging) end(left); }, { signal });
  }

  rows.addEventListener("pointerover", (event) => {
    const row = (event.target as Element).closest<HTMLElement>(".cdw-row");
    view.point(row && Number(row.dataset.id));
  });
  rows.addEventListener("pointerleave", () => view.point(null));
  rows.addEventListener("mousedown", (event) => {
    if (!(event.target as Element).closest("input")) event.preventDefault(); // the keys stay with the stage
  });
  rows.addEventListener("keydown", (event) => {
    const row = event.target as HTMLElement, id = Number(row.dataset.id);
    if (!row.matches(".cdw-row")) return;
    const go = (to: Element | null) => (to as HTMLElement | null)?.focus();
    const keys: Record<string, () => void> = {
      ArrowUp: () => go(row.previousElementSibling), ArrowDown: () => go(row.nextElementSibling),
      "Alt+ArrowUp": () => view.reorder(id, 1), "Alt+ArrowDown": () => view.reorder(id, -1),
      Enter: () => choose(id, false), " ": () => choose(id, event.ctrlKey || event.metaKey), F2: () => rename(id),
      Delete: () => doc.editable && void doc.apply({ type: "delete", instance: id }),
    };
    const key = keys[`${event.altKey ? "Alt+" : ""}${event.key}`];
    if (!key) return;
    event.preventDefault();
    event.stopPropagation();
    key();
  });

  function rename(id: number) {
    const instance = doc.instances.find((one) => one.id === id), name = rows.querySelector(`[data-id="${id}"] .cdw-name`);
    if (!instance || !name || !doc.editable) return;
    const input = h("input", {
      type: "text", class: "cdw-typed", "aria-label": "Class or name", placeholder: "name", list: names.id,
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        if (event.key === "Escape") input.value = instance.label;
        if (event.key === "Enter" || event.key === "Escape") input.blur();
      },
      onpointerdown: (event: Event) => event.stopPropagation(),
      onclick: (event: Event) => event.stopPropagation(),
      onblur: () => {
        renaming = false;
        shown = "";
        if (input.value.trim() !== instance.label) void doc.apply({ type: "relabel", label: input.value.trim(), instance: id });
        view.refresh();
        view.focus();
      },
    });
    names.replaceChildren(...model.get("labels").map((value: string) => h("option", { value })));
    input.value = instance.label;
    renaming = true;
    name.replaceWith(input);
    input.focus();
    input.select();
  }

  /** Rebuilt only when something in it is different, so that a row under the pointer stays the same element. */
  function refresh() {
    [fresh, ...tools].forEach((part) => part.refresh());
    bar.hidden = !doc.editable;
    const all = [...doc.instances].reverse();
    const state = JSON.stringify([
      all.map((i) => [i.id, i.label, i.area, view.hidden.has(i.id), view.marked.has(i.id)]), doc.selected, doc.editable,
      model.get("labels"), model.get("colors"),
    ]);
    if (state === shown || renaming) return;
    shown = state;
    setText(count, String(view.drawn.length));
    const hadFocus = rows.contains((rows.getRootNode() as Document | ShadowRoot).activeElement), { scrollTop } = rows;
    rows.replaceChildren(...all.map(row));
    const find = (id: number | null) => rows.querySelector<HTMLElement>(`[data-id="${id}"]`);
    const current = find(doc.selected);
    (find(focused) ?? current)?.setAttribute("tabindex", "0");
    if (hadFocus) (find(focused) ?? current)?.focus();
    rows.scrollTop = scrollTop;
    const place = `${doc.selected} ${all.findIndex((instance) => instance.id === doc.selected)} ${all.length}`;
    if (place === shownAt || !current) return; // one looks at others
    shownAt = place;
    // Into sight, without moving the page as scrollIntoView does.
    rows.scrollTop = Math.min(Math.max(scrollTop, current.offsetTop + current.offsetHeight - rows.clientHeight), current.offsetTop);
  }

  return { element, refresh, rename };
}
