/** The attributes of the object being edited: a form with the fields that `Annotator(attributes=...)` declares. */

import { focusedNear, h, setText } from "../dom";
import type { Instance } from "../instance";
import type { AttributeField } from "../traits";
import type { DocumentHost, FocusHost, Part } from "./host";

export function attributeForm(host: DocumentHost & FocusHost): Part {
  const { doc } = host;
  const title = h("div", { class: "cdw-title" });
  const fields = h("div", { class: "cdw-fields" });
  const element = h("section", { class: "cdw-attributes", "aria-label": "Attributes" }, title, fields);
  let shown = "";

  /** Run the keys of a field there; Enter and Escape leave it, which sets its value. */
  function onkeydown(event: KeyboardEvent) {
    event.stopPropagation();
    if (event.key === "Enter" || event.key === "Escape") host.focus();
  }

  /** After a choice with the pointer, the keys of the annotator work again; someone who uses the keyboard stays in the form. */
  function leave(field: HTMLElement) {
    if (!field.matches(":focus-visible")) host.focus();
  }

  /** Set a value of an object; null removes it. */
  function set(id: number, name: string, value: unknown) {
    void doc.editShown(() => {
      const instance = doc.instances.find((one) => one.id === id);
      if (!instance) return;
      const { [name]: _old, ...others } = instance.attributes;
      const attributes = value === null ? others : { ...instance.attributes, [name]: value };
      return doc.apply({ type: "set_attributes", instance: id, attributes });
    });
  }

  function fieldOf({ name, kind, choices }: AttributeField, { id, attributes }: Instance): HTMLElement {
    const value = attributes[name];
    if (kind === "flag") {
      const onchange = () => {
        set(id, name, box.checked);
        leave(box);
      };
      const box = h("input", { type: "checkbox", onchange });
      box.checked = value === true;
      return h("label", { class: "cdw-check" }, box, name);
    }
    const text = value === undefined || value === null ? "" : String(value);
    const label = h("span", { class: "cdw-label", title: name }, name);
    if (kind === "choice") {
      const known = choices.includes(text) || !text ? choices : [...choices, text]; // a file may hold other values
      const onchange = () => {
        set(id, name, list.value || null);
        leave(list);
      };
      const list = h(
        "select",
        { class: "cdw-typed", onchange, onkeydown },
        h("option", { value: "" }, "–"),
        ...known.map((choice) => h("option", { value: choice }, choice)),
      );
      list.value = text;
      return h("label", { class: "cdw-field" }, label, list);
    }
    const isText = kind === "text";
    const input = h("input", {
      type: isText ? "text" : "number",
      class: "cdw-typed",
      step: kind === "integer" ? "1" : "any",
      onchange: () => {
        if (!input.checkValidity()) input.reportValidity();
        else set(id, name, input.value === "" ? null : isText ? input.value : Number(input.value));
      },
      onkeydown,
    });
    input.value = text;
    return h("label", { class: "cdw-field" }, label, input);
  }

  const controls = () => [...fields.querySelectorAll<HTMLElement>("input, select")];

  function refresh() {
    const schema = doc.model.get("attributes") ?? [];
    const { current } = doc;
    element.hidden = !schema.length || !current?.outline;
    if (element.hidden || !current) {
      shown = "";
      return;
    }
    const state = JSON.stringify([schema, current.id, current.attributes, doc.isEditable]);
    if (state === shown) return;
    const focused = focusedNear(fields);
    const isSame = title.dataset.id === String(current.id);
    const position = focused && isSame ? controls().indexOf(focused as HTMLElement) : -1;
    if (position >= 0 && focused?.matches("input:not([type=checkbox])")) return; // do not overwrite a field that the user is typing in
    shown = state;
    title.dataset.id = String(current.id);
    setText(title, `Attributes of ${current.id}`);
    fields.replaceChildren(...schema.map((field) => fieldOf(field, current)));
    fields.toggleAttribute("inert", !doc.isEditable);
    controls()[position]?.focus();
  }

  return { element, refresh };
}
