/** Labels to choose from, and the list of objects. */
import type { Instance } from "../state";
import type { Part, View } from "../view";
import { h, setText } from "./dom";
import { icon } from "./icons";
import { tip } from "./toolbar";

export function side(view: View): Part {
  const { doc } = view, { model } = doc;
  const chips = h("div", { class: "cdw-chips", role: "radiogroup", "aria-label": "Label" });
  const labels = h("section", {}, h("div", { class: "cdw-title" }, "Label"), chips);
  const count = h("span", { class: "cdw-count" });
  const add = h("button", { type: "button", class: "cdw-button cdw-small" }, icon("plus"));
  add.addEventListener("click", () => void doc.apply({ type: "select", instance: null }));
  tip(add, "New object");
  const rows = h("div", { class: "cdw-rows", role: "listbox", "aria-label": "Objects" });
  const objects = h("section", { class: "cdw-objects" }, h("div", { class: "cdw-title" }, "Objects", count, add), rows);
  const element = h("aside", { class: "cdw-side" }, labels, objects);
  let shown = "", renaming = false;

  function chip(label: string, number: number) {
    const key = number < 9 ? h("span", { class: "cdw-key" }, String(number + 1)) : null;
    const dot = h("i", { style: `background: ${view.color({ id: 1, label })}` });
    const checked = String(label === model.get("label"));
    const props = { type: "button", class: "cdw-chip", role: "radio", "aria-checked": checked, onclick: () => view.setLabel(label) };
    return h("button", props, dot, label, key);
  }

  function row(instance: Instance) {
    const hidden = view.hidden.has(instance.id), draft = !instance.outline;
    const eye = h("button", {
      type: "button", class: "cdw-button cdw-small", "aria-label": hidden ? "Show" : "Hide", "aria-pressed": String(hidden),
    }, icon(hidden ? "hidden" : "eye"));
    const trash = h("button", { type: "button", class: "cdw-button cdw-small cdw-late", "aria-label": "Delete" }, icon("delete"));
    const name = h("span", { class: "cdw-name" }, instance.label || (draft ? "New object" : `Object ${instance.id}`));
    const element = h("div", {
      class: `cdw-row${draft ? " cdw-draft" : ""}${hidden ? " cdw-hidden" : ""}`, role: "option",
      "aria-selected": String(instance.id === doc.selected), "data-id": String(instance.id),
      style: `--swatch: ${view.color(instance)}`,
      onclick: () => { if (instance.id !== doc.selected && doc.editable) void doc.apply({ type: "select", instance: instance.id }); },
      ondblclick: () => { if (doc.editable) rename(instance, name); },
    }, h("i", { class: "cdw-swatch" }), name, draft ? null : trash, draft ? null : eye);
    eye.addEventListener("click", (event) => {
      event.stopPropagation();
      view.toggleHidden(instance.id);
    });
    trash.disabled = !doc.editable;
    trash.addEventListener("click", (event) => {
      event.stopPropagation();
      void doc.apply({ type: "delete", instance: instance.id });
    });
    return element;
  }

  function rename(instance: Instance, name: HTMLElement) {
    const input = h("input", {
      type: "text", class: "cdw-rename", "aria-label": "Label", placeholder: "label",
      onkeydown: (event: KeyboardEvent) => {
        event.stopPropagation();
        if (event.key === "Escape") input.value = instance.label;
        if (event.key === "Enter" || event.key === "Escape") input.blur();
      },
      onblur: () => {
        renaming = false;
        shown = "";
        if (input.value.trim() !== instance.label) void doc.apply({ type: "relabel", label: input.value.trim(), instance: instance.id });
        view.refresh();
      },
    });
    input.value = instance.label;
    renaming = true;
    name.replaceWith(input);
    input.focus();
    input.select();
  }

  /** Rebuilt only when something in it is different, so that a row under the pointer stays the same element. */
  function refresh() {
    const all = doc.instances, editable = doc.editable;
    const state = JSON.stringify([
      all.map((i) => [i.id, i.label, !i.outline, view.hidden.has(i.id)]), doc.selected, editable,
      model.get("labels"), model.get("colors"), model.get("label"),
    ]);
    if (state === shown || renaming) return;
    shown = state;
    labels.hidden = !model.get("labels").length;
    chips.replaceChildren(...model.get("labels").map(chip));
    chips.toggleAttribute("inert", !editable);
    setText(count, String(all.filter((instance) => instance.outline).length));
    add.disabled = !editable || !doc.current?.outline;
    rows.replaceChildren(...all.map(row));
    rows.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
  }

  return { element, refresh };
}
