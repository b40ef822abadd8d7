/** The classes: choose one for the object being edited, change its colour, add one. */
import type { Part, View } from "../view";
import { h } from "./dom";
import { icon } from "./icons";

export function classes(view: View): Part {
  const { doc } = view, { model } = doc;
  const chips = h("div", { class: "cdw-chips", role: "group", "aria-label": "Class of the object" });
  const element = h("section", { "aria-label": "Classes" }, h("div", { class: "cdw-title" }, "Class"), chips);
  const more = h("button", { type: "button", class: "cdw-chip cdw-more", "aria-label": "Add a class", onclick: () => add() }, icon("plus"), "Class");
  let shown = "", adding = false;

  function chip(label: string, number: number) {
    const key = number < 9 ? h("span", { class: "cdw-key", "aria-hidden": "true" }, String(number + 1)) : null;
    const dot = h("input", {
      type: "color", class: "cdw-dot", value: hex(view.color({ id: 1, label })), "aria-label": `Colour of ${label}`, title: `Colour of ${label}`,
      onchange: () => recolor(number, dot.value),
    });
    const choose = h("button", {
      type: "button", class: "cdw-choose", "aria-pressed": String(label === model.get("label")), "aria-label": label, onclick: () => view.setLabel(label),
    }, h("span", { class: "cdw-name", title: label }, label), key);
    return h("div", { class: "cdw-chip" }, dot, choose);
  }

  /** Colours are taken in turn; to change one, each class gets its own first. */
  function recolor(number: number, color: string) {
    const labels: string[] = model.get("labels"), colors: string[] = model.get("colors");
    const own = Array.from({ length: Math.max(labels.length, colors.length) }, (_, i) => colors[i % colors.length]);
    own[number] = color;
    view.write("colors", own);
  }

  function add() {
    const done = (take: boolean) => {
      if (!adding) return;
      adding = false;
      shown = "";
      const name = input.value.trim(), labels: string[] = model.get("labels");
      if (take && name) {
        if (!labels.includes(name)) view.write("labels", [...labels, name]);
        view.setLabel(name);
      }
      refresh();
      view.focus();
    };
    const input = h("input", {
      type: "text", class: "cdw-typed", "aria-label": "Name of the new class", placeholder: "name",
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        if (event.key === "Enter" || event.key === "Escape") done(event.key === "Enter");
      },
      onblur: () => done(true),
    });
    adding = true;
    more.replaceWith(input);
    input.focus();
  }

  /** Rebuilt only when something in it is different, so that a chip under the pointer stays the same element. */
  function refresh() {
    const { editable } = doc;
    const state = JSON.stringify([model.get("labels"), model.get("colors"), model.get("label"), editable]);
    if (state === shown || adding) return;
    shown = state;
    chips.replaceChildren(...model.get("labels").map(chip), more);
    element.hidden = !editable && !model.get("labels").length;
    more.hidden = !editable;
    for (const control of chips.querySelectorAll<HTMLInputElement | HTMLButtonElement>("input, button")) control.disabled = !editable;
  }

  return { element, refresh };
}

/** Any CSS colour as #rrggbb, which is all that a colour field takes. */
function hex(color: string): string {
  const ctx = document.createElement("canvas").getContext("2d")!;
  ctx.fillStyle = color;
  return /^#/.test(ctx.fillStyle) ? ctx.fillStyle : "#000000";
}
