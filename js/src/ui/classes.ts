/** The classes: choose one for the object being edited, change its color, add one. */
import { h } from "../dom";
import type { DocumentHost, FocusHost, LabelHost, Part } from "./host";
import { ICONS, icon } from "./icons";

const CLASSES_WITH_KEY = 9;

export function classPalette(host: DocumentHost & LabelHost & FocusHost): Part {
  const { doc } = host;
  const { model } = doc;
  const chips = h("div", { class: "cdw-chips", role: "group", "aria-label": "Class of the object" });
  const element = h("section", { "aria-label": "Classes" }, h("div", { class: "cdw-title" }, "Class"), chips);
  const addButton = h(
    "button",
    { type: "button", class: "cdw-chip cdw-more", "aria-label": "Add a class", onclick: () => openNameField() },
    icon(ICONS.plus),
    "Class",
  );
  let shown = "";
  let isAdding = false;

  function chip(label: string, number: number) {
    const hasKey = number < CLASSES_WITH_KEY;
    const key = hasKey ? h("span", { class: "cdw-key", "aria-hidden": "true" }, String(number + 1)) : null;
    const dot = h("input", {
      type: "color",
      class: "cdw-dot",
      value: toHex(host.color({ id: 1, label })),
      "aria-label": `Color of ${label}`,
      title: `Color of ${label}`,
      onchange: () => setColor(number, dot.value),
    });
    const choose = h(
      "button",
      {
        type: "button",
        class: "cdw-choose",
        "aria-pressed": String(label === model.get("label")),
        "aria-label": label,
        onclick: () => host.setLabel(label),
      },
      h("span", { class: "cdw-name", title: label }, label),
      key,
    );
    return h("div", { class: "cdw-chip" }, dot, choose);
  }

  /** Classes share the colors in turn; before one is changed, each class gets its own. */
  function setColor(number: number, color: string) {
    const labels = model.get("labels");
    const colors = model.get("colors");
    const own = Array.from({ length: Math.max(labels.length, colors.length) }, (_, i) => colors[i % colors.length]);
    own[number] = color;
    doc.set("colors", own);
  }

  function openNameField() {
    const close = (isAccepted: boolean) => {
      if (!isAdding) return;
      isAdding = false;
      shown = "";
      const name = input.value.trim();
      const labels = model.get("labels");
      if (isAccepted && name) {
        if (!labels.includes(name)) doc.set("labels", [...labels, name]);
        host.setLabel(name);
      }
      refresh();
      host.focus();
    };
    const input = h("input", {
      type: "text",
      class: "cdw-typed",
      "aria-label": "Name of the new class",
      placeholder: "name",
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        if (event.key === "Enter" || event.key === "Escape") close(event.key === "Enter");
      },
      onblur: () => close(true),
    });
    isAdding = true;
    addButton.replaceWith(input);
    input.focus();
  }

  /** Rebuild the chips only after a change, so that a chip under the pointer stays the same element. */
  function refresh() {
    const { isEditable } = doc;
    const labels = model.get("labels");
    const state = JSON.stringify([labels, model.get("colors"), model.get("label"), isEditable]);
    if (state === shown || isAdding) return;
    shown = state;
    chips.replaceChildren(...labels.map(chip), addButton);
    element.hidden = !isEditable && !labels.length;
    addButton.hidden = !isEditable;
    for (const control of chips.querySelectorAll<HTMLInputElement | HTMLButtonElement>("input, button"))
      control.disabled = !isEditable;
  }

  return { element, refresh };
}

/** Convert any CSS color to #rrggbb, the only format of a color field. */
function toHex(color: string): string {
  const context = document.createElement("canvas").getContext("2d");
  if (!context) return "#000000";
  context.fillStyle = color;
  return /^#/.test(context.fillStyle) ? context.fillStyle : "#000000";
}
