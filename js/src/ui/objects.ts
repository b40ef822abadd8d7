/** The panel next to the image: the classes, and the objects, the front one on top: select, mark, reorder, rename, hide, delete. */

import { focusedNear, h, setText } from "../dom";
import type { Instance } from "../instance";
import { classPalette } from "./classes";
import { commandButton, refreshAll, setTooltip } from "./controls";
import type { CommandHost, DocumentHost, FocusHost, ObjectHost, Part } from "./host";
import { ICONS, icon } from "./icons";

const DRAG_THRESHOLD_PX = 5; // CSS pixels: a shorter movement is a click
const BAR_COMMANDS = ["duplicate", "merge", "split", "snap", "forward", "backward", "delete"];

type Host = DocumentHost & CommandHost & ObjectHost & FocusHost;

export interface ObjectPanel extends Part {
  rename(id: number): void;
}

export function sidePanel(host: Host): ObjectPanel {
  const palette = classPalette(host);
  const list = objectList(host);
  const element = h("aside", { class: "cdw-side", "aria-label": "Classes and objects" }, palette.element, list.element);
  return { element, refresh: () => refreshAll([palette, list]), rename: list.rename };
}

function objectList(host: Host): ObjectPanel {
  const { doc } = host;
  const { model } = doc;
  const count = h("span", { class: "cdw-count" });
  const newButton = commandButton(host.commands, "new", { isSmall: true });
  const rows = h("div", {
    class: "cdw-rows",
    role: "grid",
    "aria-label": "Objects, front to back",
    "aria-multiselectable": "true",
  });
  const buttons = BAR_COMMANDS.map((name) => commandButton(host.commands, name, { isSmall: true }));
  const bar = h(
    "div",
    { class: "cdw-bar", role: "toolbar", "aria-label": "Change objects" },
    ...buttons.map((part) => part.element),
  );
  const names = h("datalist", { id: `cdw-labels-${Math.random().toString(36).slice(2)}` });
  const element = h(
    "section",
    { class: "cdw-objects", "aria-label": "Objects" },
    h("div", { class: "cdw-title" }, "Objects", count, newButton.element),
    rows,
    bar,
    names,
  );
  let shown = "";
  let revealed = ""; // the row that was scrolled into view last
  let isRenaming = false;
  let focused: number | null = null;

  function createRow(instance: Instance) {
    const { id } = instance;
    const isHidden = host.hidden.has(id);
    const isDraft = !instance.outline;
    const isCurrent = id === doc.selected;
    const isMarked = host.marked.has(id);
    const title = instance.label || (isDraft ? "New object" : `Object ${id}`);
    const eye = h(
      "button",
      { type: "button", class: `cdw-button cdw-small${isHidden ? "" : " cdw-late"}`, "aria-pressed": String(isHidden) },
      icon(isHidden ? ICONS.hidden : ICONS.eye),
    );
    setTooltip(eye, isHidden ? "Show" : "Hide (Alt: all others)");
    eye.setAttribute("aria-label", isHidden ? "Show" : "Hide");
    const trash = h("button", { type: "button", class: "cdw-button cdw-small cdw-late" }, icon(ICONS.delete));
    setTooltip(trash, "Delete");
    trash.disabled = !doc.isEditable;
    const area = h("span", { class: "cdw-area", title: "Pixels" }, isDraft ? "" : instance.area.toLocaleString("en"));
    const cell = (child: HTMLElement) => h("div", { role: "gridcell" }, child);
    const classes = ["cdw-row", isDraft && "cdw-draft", isHidden && "cdw-hidden", isMarked && "cdw-marked"];
    const row = h(
      "div",
      {
        class: classes.filter(Boolean).join(" "),
        role: "row",
        "aria-selected": String(isCurrent || isMarked),
        "data-id": String(id),
        tabindex: "-1",
        style: `--swatch: ${host.color(instance)}`,
        onclick: (event: MouseEvent) => select(id, event.ctrlKey || event.metaKey),
        ondblclick: () => rename(id),
        onpointerdown: (event: PointerEvent) => startDrag(event, row),
        onfocus: () => {
          focused = id;
        },
      },
      h(
        "div",
        { role: "gridcell", class: "cdw-what" },
        h("i", { class: "cdw-swatch" }),
        h("span", { class: "cdw-name", title }, title),
      ),
      cell(area),
      isDraft ? null : cell(trash),
      isDraft ? null : cell(eye),
    );
    if (isCurrent) row.setAttribute("aria-current", "true");
    eye.addEventListener("click", (event) => {
      event.stopPropagation();
      if (event.altKey) host.showOnly(id);
      else host.toggleHidden(id);
    });
    trash.addEventListener("click", (event) => {
      event.stopPropagation();
      void doc.apply({ type: "delete", instance: id });
    });
    return row;
  }

  function select(id: number, isAdded: boolean) {
    if (!doc.isEditable) return;
    if (isAdded) return host.mark(id);
    host.clearMarks();
    if (id !== doc.selected) void doc.apply({ type: "select", instance: id });
    else host.refresh();
  }

  /** Drag a row to a new position; the object moves when the row is dropped. */
  function startDrag(event: PointerEvent, row: HTMLElement) {
    if (event.button !== 0 || !doc.isEditable || (event.target as Element).closest("button, input")) return;
    const others = [...rows.children] as HTMLElement[];
    const from = others.indexOf(row);
    const start = event.clientY;
    let to = from;
    let isDragging = false;
    const move = (moved: PointerEvent) => {
      if (!isDragging && Math.abs(moved.clientY - start) < DRAG_THRESHOLD_PX) return;
      if (!isDragging) row.setPointerCapture(event.pointerId);
      isDragging = true;
      row.classList.add("cdw-dragged");
      row.style.transform = `translateY(${moved.clientY - start}px)`;
      const isAbovePointer = (other: HTMLElement) => {
        const box = other.getBoundingClientRect();
        return box.top + box.height / 2 < moved.clientY;
      };
      to = others.filter((other) => other !== row && isAbovePointer(other)).length;
      for (const [i, other] of others.entries()) {
        other.classList.toggle("cdw-before", isDragging && i === (to < from ? to : to + 1) && to !== from);
        other.classList.toggle("cdw-after", to === others.length - 1 && i === to && to !== from);
      }
    };
    const end = (ended: Event) => {
      stop.abort();
      row.classList.remove("cdw-dragged");
      row.style.transform = "";
      for (const other of others) other.classList.remove("cdw-before", "cdw-after");
      if (!isDragging) return;
      row.addEventListener("click", (click) => click.stopImmediatePropagation(), { capture: true, once: true });
      setTimeout(() => {
        shown = "";
        refresh();
      });
      if (ended.type === "pointerup") host.reorder(Number(row.dataset.id), from - to); // the list is front to back
    };
    const stop = new AbortController();
    const { signal } = stop;
    row.addEventListener("pointermove", move, { signal });
    row.addEventListener("pointerup", end, { signal });
    row.addEventListener("pointercancel", end, { signal });
    row.addEventListener(
      "pointerleave",
      (left) => {
        if (!isDragging) end(left);
      },
      { signal },
    );
  }

  rows.addEventListener("pointerover", (event) => {
    const row = (event.target as Element).closest<HTMLElement>(".cdw-row");
    host.highlight(row && Number(row.dataset.id));
  });
  rows.addEventListener("pointerleave", () => host.highlight(null));
  rows.addEventListener("mousedown", (event) => {
    if (!(event.target as Element).closest("input")) event.preventDefault(); // the stage keeps the keyboard focus
  });
  rows.addEventListener("keydown", (event) => {
    const row = event.target as HTMLElement;
    const id = Number(row.dataset.id);
    if (!row.matches(".cdw-row")) return;
    const focus = (to: Element | null) => (to as HTMLElement | null)?.focus();
    const actions: Record<string, () => void> = {
      ArrowUp: () => focus(row.previousElementSibling),
      ArrowDown: () => focus(row.nextElementSibling),
      "Alt+ArrowUp": () => host.reorder(id, 1),
      "Alt+ArrowDown": () => host.reorder(id, -1),
      Enter: () => select(id, false),
      " ": () => select(id, event.ctrlKey || event.metaKey),
      F2: () => rename(id),
      Delete: () => doc.isEditable && void doc.apply({ type: "delete", instance: id }),
    };
    const act = actions[`${event.altKey ? "Alt+" : ""}${event.key}`];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  function rename(id: number) {
    const instance = doc.instances.find((one) => one.id === id);
    const name = rows.querySelector(`[data-id="${id}"] .cdw-name`);
    if (!instance || !name || !doc.isEditable) return;
    const input = h("input", {
      type: "text",
      class: "cdw-typed",
      "aria-label": "Class or name",
      placeholder: "name",
      list: names.id,
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        if (event.key === "Escape") input.value = instance.label;
        if (event.key === "Enter" || event.key === "Escape") input.blur();
      },
      onpointerdown: (event: Event) => event.stopPropagation(),
      onclick: (event: Event) => event.stopPropagation(),
      onblur: () => {
        isRenaming = false;
        shown = "";
        const label = input.value.trim();
        if (label !== instance.label) void doc.apply({ type: "relabel", label, instance: id });
        host.refresh();
        host.focus();
      },
    });
    names.replaceChildren(...model.get("labels").map((value) => h("option", { value })));
    input.value = instance.label;
    isRenaming = true;
    name.replaceWith(input);
    input.focus();
    input.select();
  }

  /** Rebuild the rows only after a change, so that a row under the pointer stays the same element. */
  function refresh() {
    refreshAll([newButton, ...buttons]);
    bar.hidden = !doc.isEditable;
    const all = [...doc.instances].reverse();
    const state = JSON.stringify([
      all.map(({ id, label, area }) => [id, label, area, host.hidden.has(id), host.marked.has(id)]),
      doc.selected,
      doc.isEditable,
      model.get("labels"),
      model.get("colors"),
    ]);
    if (state === shown || isRenaming) return;
    shown = state;
    setText(count, String(host.drawn.length));
    const hadFocus = rows.contains(focusedNear(rows));
    const { scrollTop } = rows;
    rows.replaceChildren(...all.map(createRow));
    const rowOf = (id: number | null) => rows.querySelector<HTMLElement>(`[data-id="${id}"]`);
    const current = rowOf(doc.selected);
    (rowOf(focused) ?? current)?.setAttribute("tabindex", "0");
    if (hadFocus) (rowOf(focused) ?? current)?.focus();
    rows.scrollTop = scrollTop;
    const position = `${doc.selected} ${all.findIndex(({ id }) => id === doc.selected)} ${all.length}`;
    if (position === revealed || !current) return; // the user may have scrolled to other rows
    revealed = position;
    // Scroll the list only: scrollIntoView would also scroll the page.
    rows.scrollTop = Math.min(
      Math.max(scrollTop, current.offsetTop + current.offsetHeight - rows.clientHeight),
      current.offsetTop,
    );
  }

  return { element, refresh, rename };
}
