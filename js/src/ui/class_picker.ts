/** The list of all classes, opened by a key or a click: typing a few letters finds one, Enter takes it. */

import { matchLabels } from "../class_matches";
import { h, setText } from "../dom";
import { placePopover } from "./controls";
import type { DocumentHost, FocusHost, LabelHost, ObjectHost, Part } from "./host";

const WIDE_FROM = 14; // classes from which the list has several columns
const CLASSES_WITH_KEY = 9;

export interface ClassPicker extends Part {
  open(targets?: number[]): void;
}

interface Option {
  label: string;
  text: string;
  isNew?: boolean;
}

type Host = DocumentHost & LabelHost & FocusHost & Pick<ObjectHost, "objects">;

export function classPicker(host: Host): ClassPicker {
  const { doc } = host;
  const { model } = doc;
  const id = `cdw-classes-${Math.random().toString(36).slice(2)}`;
  const input = h("input", {
    type: "text",
    class: "cdw-typed",
    role: "combobox",
    "aria-label": "Class",
    "aria-controls": id,
    "aria-expanded": "true",
    "aria-autocomplete": "list",
    autocomplete: "off",
    spellcheck: "false",
  });
  const list = h("div", { id, class: "cdw-class-list", role: "listbox", "aria-label": "Classes" });
  const empty = h("div", { class: "cdw-soft cdw-class-empty" });
  const element = h("div", { class: "cdw-popover cdw-class-picker", popover: "auto" }, input, list, empty);
  let targets: number[] | undefined; // objects of the image with `key`
  let key = 0;
  let options: Option[] = [];
  let active = 0;

  function optionsFor(typed: string): Option[] {
    const labels = model.get("labels");
    const found: Option[] = matchLabels(typed, labels, doc.recentLabels).map((label) => ({ label, text: label }));
    const name = typed.trim();
    if (name && !labels.includes(name) && !model.get("closed_labels"))
      found.push({ label: name, text: `Add \u201c${name}\u201d`, isNew: true });
    if (!name && labels.length) found.push({ label: "", text: "No class" });
    return found;
  }

  function optionRow(option: Option, index: number) {
    const number = option.isNew ? -1 : model.get("labels").indexOf(option.label);
    const key = number >= 0 && number < CLASSES_WITH_KEY ? h("span", { class: "cdw-key" }, String(number + 1)) : null;
    return h(
      "div",
      {
        id: `${id}-${index}`,
        class: "cdw-class-option",
        role: "option",
        "aria-selected": "false",
        onpointerdown: (event: Event) => event.preventDefault(), // the field keeps the focus
        onclick: () => take(option),
      },
      h("i", {
        class: option.isNew ? "cdw-swatch cdw-new" : "cdw-swatch",
        style: `--swatch: ${host.color({ id: 1, label: option.label })}`,
      }),
      h("span", { class: "cdw-name", title: option.text }, option.text),
      key,
    );
  }

  function update() {
    options = optionsFor(input.value);
    active = 0;
    list.replaceChildren(...options.map(optionRow));
    empty.hidden = options.length > 0;
    setText(empty, input.value.trim() ? "No such class; the list of classes is closed" : "Type the name of a class");
    activate(0);
  }

  function activate(index: number) {
    active = options.length ? (index + options.length) % options.length : 0;
    for (const [i, row] of [...list.children].entries()) row.setAttribute("aria-selected", String(i === active));
    const row = list.children[active] as HTMLElement | undefined;
    if (!row) return input.removeAttribute("aria-activedescendant");
    input.setAttribute("aria-activedescendant", row.id);
    if (row.offsetTop < list.scrollTop) list.scrollTop = row.offsetTop;
    const below = row.offsetTop + row.offsetHeight - list.clientHeight;
    if (below > list.scrollTop) list.scrollTop = below;
  }

  function take({ label, isNew }: Option) {
    if (isNew) doc.set("labels", [...model.get("labels"), label]);
    element.hidePopover();
    host.setLabel(label, targets);
    host.focus();
  }

  input.addEventListener("input", update);
  input.addEventListener("keydown", (event) => {
    const steps: Record<string, number> = { ArrowDown: 1, ArrowUp: -1, PageDown: 10, PageUp: -10 };
    event.stopPropagation();
    if (event.key in steps) activate(active + steps[event.key]);
    else if (event.key === "Enter" && options[active]) take(options[active]);
    else if (event.key === "Escape" || event.key === "Tab") {
      element.hidePopover();
      host.focus();
    } else if (event.key !== "Enter") return;
    event.preventDefault();
  });
  const place = () => {
    const root = element.closest(".cdw");
    const row = targets?.length === 1 && root?.querySelector(`.cdw-row[data-id="${targets[0]}"]`);
    const anchor = row || root?.querySelector(".cdw-side [data-command=classes]");
    if (anchor) placePopover(element, anchor);
  };

  function open(chosen?: number[]) {
    if (!doc.isEditable) return;
    targets = chosen;
    key = doc.image.key;
    const count = (targets ?? host.objects.targets).length;
    input.value = "";
    input.placeholder = count > 1 ? `Class of ${count} objects` : "Find a class";
    element.classList.toggle("cdw-wide", model.get("labels").length > WIDE_FROM);
    update();
    element.showPopover();
    place();
    input.focus();
  }

  /** Close the list if its objects are no longer shown: those of the next image have the same ids. */
  function refresh() {
    if (!targets || key === doc.image.key) return;
    targets = undefined;
    element.hidePopover();
  }

  return { element, refresh, open };
}
