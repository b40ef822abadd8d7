/** The panel next to the image: the classes, and the objects, the front one on top: select, mark, reorder, rename, hide, delete. */

import { focusedNear, h, setText } from "../dom";
import type { Instance } from "../instance";
import { attributeForm } from "./attributes";
import { classPalette } from "./classes";
import { commandButton, refreshAll, rovingFocus, setTooltip } from "./controls";
import type { CommandHost, DocumentHost, FocusHost, ObjectHost, Part } from "./host";
import { ICONS, icon } from "./icons";
import { Thumbnails } from "./thumbnails";

const DRAG_THRESHOLD_PX = 5; // CSS pixels: a shorter movement is a click
const BAR_COMMANDS = ["duplicate", "similar", "merge", "split", "snap", "forward", "backward", "delete"];

type Host = DocumentHost & CommandHost & ObjectHost & FocusHost;

export function sidePanel(host: Host): Part {
  const [palette, list, form] = [classPalette(host), objectList(host), attributeForm(host)];
  const element = h(
    "aside",
    { class: "cdw-side", "aria-label": "Classes and objects" },
    ...[palette, list, form].map((part) => part.element),
  );
  return { element, refresh: () => refreshAll([palette, form, list]) }; // the list scrolls in the room that the others leave
}

interface Row {
  state: string;
  element: HTMLElement;
  canvas: HTMLCanvasElement;
}

function objectList(host: Host): Part {
  const { doc, objects } = host;
  const { model } = doc;
  const count = h("span", { class: "cdw-count" });
  const newButton = commandButton(host.commands, "new", { text: "New object" });
  newButton.element.classList.add("cdw-new-object");
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
  const element = h(
    "section",
    { class: "cdw-objects", "aria-label": "Objects" },
    h("div", { class: "cdw-title" }, "Objects", count),
    newButton.element,
    rows,
    bar,
  );
  const refreshStops = rovingFocus(bar);
  const thumbnails = new Thumbnails(doc);
  const known = new Map<number, Row>();
  let shown = "";
  let revealed = ""; // the row that was scrolled into view last
  let focused: number | null = null;
  let clicked: number | null = null; // the object of the last single click: rows may move before the second one

  /** The text of a row; a new object has the class that it will get. */
  function nameOf({ id, label, outline }: Instance): string {
    if (outline) return label || "no class";
    const next = id === doc.selected ? model.get("label") : label;
    return next ? `New: ${next}` : "New object";
  }

  function createRow(instance: Instance): Row {
    const { id } = instance;
    const isHidden = objects.hidden.has(id);
    const isDraft = !instance.outline;
    const isCurrent = id === doc.selected;
    const isMarked = objects.marked.has(id);
    const title = nameOf(instance);
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
    const { score, confirmed } = instance;
    const certainty =
      isDraft || score === undefined
        ? null
        : h(
            "span",
            {
              class: "cdw-certainty",
              title: confirmed ? "Certainty of the model" : "Certainty; Enter or Y confirms the object",
              style: `--certainty: ${score}`,
            },
            score.toFixed(2),
          );
    const cell = (child: HTMLElement) => h("div", { role: "gridcell" }, child);
    const isUnlabeled = !isDraft && !instance.label;
    const classes = [
      "cdw-row",
      isDraft && "cdw-draft",
      isHidden && "cdw-hidden",
      isMarked && "cdw-marked",
      isUnlabeled && "cdw-unlabeled",
      !confirmed && "cdw-unconfirmed",
    ];
    const canvas = thumbnails.create();
    const row = h(
      "div",
      {
        class: classes.filter(Boolean).join(" "),
        role: "row",
        "aria-selected": String(isCurrent || isMarked),
        "data-id": String(id),
        tabindex: "-1",
        style: `--swatch: ${host.color(instance)}`,
        onclick: (event: MouseEvent) => onClick(event, id),
        onpointerdown: (event: PointerEvent) => startDrag(event, row),
        onfocus: () => {
          focused = id;
        },
      },
      h(
        "div",
        { role: "gridcell", class: "cdw-what" },
        isDraft ? null : canvas,
        h("i", { class: "cdw-swatch" }),
        isDraft ? null : h("span", { class: "cdw-number" }, String(id)),
        h("span", { class: "cdw-name", title }, title),
        certainty,
      ),
      cell(area),
      isDraft ? null : cell(trash),
      isDraft ? null : cell(eye),
    );
    if (isCurrent) row.setAttribute("aria-current", "true");
    eye.addEventListener("click", (event) => {
      event.stopPropagation();
      if (event.altKey) objects.showOnly(id);
      else objects.toggleHidden(id);
    });
    trash.addEventListener("click", (event) => {
      event.stopPropagation();
      void doc.editShown(() => doc.apply({ type: "delete", instance: id }));
    });
    return { state: stateOf(instance), element: row, canvas };
  }

  function stateOf(instance: Instance): string {
    const { id, label, area, score, confirmed, outline } = instance;
    const isSet = [id === doc.selected, objects.hidden.has(id), objects.marked.has(id), doc.isEditable, !!outline];
    return JSON.stringify([label, area, score, confirmed, ...isSet, nameOf(instance), host.color(instance)]);
  }

  /** The second click of a double-click belongs to the row of the first: selecting an object may have moved the rows. */
  function onClick(event: MouseEvent, id: number) {
    if (!doc.isEditable) return;
    if (event.detail > 1 && clicked !== null) return host.pickClass([clicked]);
    const last = clicked;
    clicked = id;
    select(id, event.ctrlKey || event.metaKey, event.shiftKey ? last : null);
  }

  /** Edit an object, or add it to the selection, or add all rows from another one to it. */
  function select(id: number, isAdded: boolean, from: number | null = null) {
    if (!doc.isEditable) return;
    const ids = [...doc.instances].reverse().map((instance) => instance.id);
    const range = [ids.indexOf(from ?? doc.selected), ids.indexOf(id)].sort((a, b) => a - b);
    if (from !== null)
      objects.markAll(objects.drawn.filter((one) => ids.slice(range[0], range[1] + 1).includes(one.id)));
    else if (isAdded) objects.mark(id);
    else void doc.editShown(() => objects.select(id));
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
      if (ended.type === "pointerup") reorder(Number(row.dataset.id), from - to); // the list is front to back
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
      "Alt+ArrowUp": () => reorder(id, 1),
      "Alt+ArrowDown": () => reorder(id, -1),
      Enter: () => select(id, false),
      " ": () => select(id, event.ctrlKey || event.metaKey),
      F2: () => host.pickClass(),
      Delete: () => doc.isEditable && void doc.editShown(() => doc.apply({ type: "delete", instance: id })),
    };
    if (event.key === "F2" && !objects.marked.size) actions.F2 = () => host.pickClass([id]);
    const act = actions[`${event.altKey ? "Alt+" : ""}${event.key}`];
    if (!act) return;
    event.preventDefault();
    event.stopPropagation();
    act();
  });

  function reorder(id: number, step: number) {
    if (doc.isEditable) void doc.editShown(() => objects.reorder(id, step));
  }

  rows.addEventListener("scroll", () => paintVisible());

  /** Paint the thumbnails of the rows that are in view. */
  function paintVisible() {
    const bottom = rows.scrollTop + rows.clientHeight;
    for (const instance of doc.instances) {
      const row = known.get(instance.id);
      const top = row?.element.offsetTop ?? 0;
      const isVisible = top < bottom && top + (row?.element.offsetHeight ?? 0) > rows.scrollTop;
      if (row && isVisible && instance.outline) thumbnails.paint(row.canvas, instance, host.color(instance));
    }
  }

  /** Rebuild only the rows that have changed, so that a row under the pointer stays the same element. */
  function refresh() {
    refreshAll([newButton, ...buttons]);
    refreshStops();
    bar.hidden = !doc.isEditable;
    newButton.element.hidden = !doc.isEditable || (!!doc.current && !doc.current.outline); // the row of the new object is as high
    for (const [id, { element: row }] of known) row.classList.toggle("cdw-hovered", id === objects.hovered);
    const all = [...doc.instances].reverse();
    const states = all.map(stateOf);
    const state = JSON.stringify([all.map(({ id }) => id), states, doc.selected, doc.picture?.width]);
    if (state === shown) return;
    shown = state;
    setText(count, String(objects.drawn.length));
    const hadFocus = rows.contains(focusedNear(rows));
    const { scrollTop } = rows;
    for (const [i, instance] of all.entries())
      if (known.get(instance.id)?.state !== states[i]) known.set(instance.id, createRow(instance));
    for (const id of known.keys()) if (!doc.instances.some((one) => one.id === id)) known.delete(id);
    rows.replaceChildren(...all.flatMap(({ id }) => known.get(id)?.element ?? []));
    const rowOf = (id: number | null) => (id === null ? undefined : known.get(id)?.element);
    const current = rowOf(doc.selected);
    for (const { element: row } of known.values()) row.tabIndex = -1;
    const stop = rowOf(focused) ?? current;
    if (stop) stop.tabIndex = 0;
    if (hadFocus) stop?.focus();
    rows.scrollTop = scrollTop;
    const position = `${doc.selected} ${all.findIndex(({ id }) => id === doc.selected)} ${all.length}`;
    if (position !== revealed && current) {
      // The user may have scrolled to other rows. Scroll the list only: scrollIntoView would also scroll the page.
      revealed = position;
      rows.scrollTop = Math.min(
        Math.max(scrollTop, current.offsetTop + current.offsetHeight - rows.clientHeight),
        current.offsetTop,
      );
    }
    paintVisible();
  }

  return { element, refresh };
}
