/** The classes: choose one for the selected objects, change the colors, find or add one. */
import { focusedNear, h } from "../dom";
import { commandButton, rovingFocus, setTooltip } from "./controls";
import type { CommandHost, DocumentHost, LabelHost, Part } from "./host";
import { ICONS, icon } from "./icons";

const CLASSES_WITH_KEY = 9;
const MAX_CHIPS = 12; // of more classes, only those used last have a chip

export function classPalette(host: DocumentHost & LabelHost & CommandHost): Part {
  const { doc } = host;
  const { model } = doc;
  const find = commandButton(host.commands, "classes", { isSmall: true });
  const paint = h(
    "button",
    { type: "button", class: "cdw-button cdw-small", "aria-pressed": "false", onclick: () => setPainting(!isPainting) },
    icon(ICONS.palette),
  );
  setTooltip(paint, "Change the colors of the classes");
  const chips = h("div", { class: "cdw-chips", role: "group", "aria-label": "Class of the object" });
  const element = h(
    "section",
    { "aria-label": "Classes" },
    h("div", { class: "cdw-title" }, "Class", paint, find.element),
    chips,
  );
  const refreshStops = rovingFocus(chips);
  let shown = "";
  let isPainting = false; // the dots of the chips open color fields

  function chip(label: string) {
    const number = model.get("labels").indexOf(label);
    const hasKey = number < CLASSES_WITH_KEY;
    const key = hasKey ? h("span", { class: "cdw-key", "aria-hidden": "true" }, String(number + 1)) : null;
    const color = host.color({ id: number + 1, label });
    const dot = isPainting
      ? colorField(label, number, color)
      : h("i", { class: "cdw-dot", style: `background: ${color}` });
    const choose = h(
      "button",
      {
        type: "button",
        class: "cdw-choose",
        "aria-pressed": String(label === model.get("label")),
        "aria-label": label,
        onclick: () => host.setLabel(label),
      },
      isPainting ? null : dot,
      h("span", { class: "cdw-name", title: label }, label),
      key,
    );
    return h("div", { class: "cdw-chip" }, isPainting ? dot : null, choose);
  }

  function colorField(label: string, number: number, color: string) {
    const field = h("input", {
      type: "color",
      class: "cdw-dot",
      value: toHex(color),
      "aria-label": `Color of ${label}`,
      title: `Color of ${label}`,
      onchange: () => setColor(number, field.value),
    });
    return field;
  }

  function setPainting(isOn: boolean) {
    isPainting = isOn;
    paint.setAttribute("aria-pressed", String(isOn));
    refresh();
  }

  /** Classes share the colors in turn; before one is changed, each class gets its own. */
  function setColor(number: number, color: string) {
    const labels = model.get("labels");
    const colors = model.get("colors");
    const own = Array.from({ length: Math.max(labels.length, colors.length) }, (_, i) => colors[i % colors.length]);
    own[number] = color;
    doc.set("colors", own);
  }

  /** The classes with a chip: all, or of many the current one and those used last. */
  function listed(): string[] {
    const labels = model.get("labels");
    if (labels.length <= MAX_CHIPS || isPainting) return labels;
    const used = [model.get("label"), ...doc.recentLabels].filter((label) => labels.includes(label));
    const first = labels.slice(0, CLASSES_WITH_KEY - 1);
    const chosen = new Set([...used, ...first].slice(0, Math.max(CLASSES_WITH_KEY, used.length)));
    return labels.filter((label) => chosen.has(label)); // in their order, so that a chip does not move under the pointer
  }

  function more(count: number) {
    const { isEditable } = doc;
    const isClosed = model.get("closed_labels");
    if (!isEditable || (!count && isClosed)) return null;
    const name = count ? `All ${model.get("labels").length}` : "Class";
    return h(
      "button",
      {
        type: "button",
        class: "cdw-chip cdw-more",
        "aria-label": count ? "Show all classes" : "Add a class",
        onclick: () => host.pickClass(),
      },
      icon(count ? ICONS.search : ICONS.plus),
      name,
    );
  }

  /** Rebuild the chips only after a change, so that a chip under the pointer stays the same element. */
  function refresh() {
    find.refresh();
    const { isEditable } = doc;
    const labels = model.get("labels");
    const visible = listed();
    const colors = visible.map((label) => host.color({ id: labels.indexOf(label) + 1, label }));
    const state = JSON.stringify([visible, colors, labels.length, model.get("label"), isEditable, isPainting]);
    if (state === shown) return;
    shown = state;
    const hadFocus = chips.contains(focusedNear(chips));
    const extra = more(labels.length - visible.length);
    chips.replaceChildren(...visible.map(chip), ...(extra ? [extra] : []));
    element.hidden = !isEditable && !labels.length;
    paint.hidden = !isEditable || !labels.length;
    for (const control of chips.querySelectorAll<HTMLInputElement | HTMLButtonElement>("input, button"))
      control.disabled = !isEditable;
    refreshStops();
    if (hadFocus) chips.querySelector<HTMLElement>("[aria-pressed=true]")?.focus();
  }

  return { element, refresh };
}

/** Return the class whose chip is under the pointer or has the keyboard focus. */
export function pointedClass(root: ParentNode): string | null {
  const chip = root.querySelector(".cdw-chip:hover .cdw-choose") ?? root.querySelector(".cdw-choose:focus-visible");
  return chip?.getAttribute("aria-label") ?? null;
}

/** Convert any CSS color to #rrggbb, the only format of a color field. */
function toHex(color: string): string {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return "#000000";
  context.fillStyle = color;
  return /^#/.test(context.fillStyle) ? context.fillStyle : "#000000";
}
