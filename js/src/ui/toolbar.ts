/** The row of buttons. Each shows a command; its tooltip names the key. */
import { COMMANDS } from "../commands";
import { TOOLS } from "../tools";
import type { Part, View } from "../view";
import { h, setText } from "./dom";
import { icon } from "./icons";

export function toolbar(view: View): Part {
  const { model } = view.doc;
  const refreshers: (() => void)[] = [];

  function button(name: string, text?: string) {
    const command = COMMANDS[name];
    const element = h("button", { type: "button", class: "cdw-button", "data-command": name, onclick: () => view.run(name) },
      command.icon ? icon(command.icon) : null, text);
    refreshers.push(() => {
      element.disabled = !(command.enabled?.(view) ?? true);
      if (command.pressed) element.setAttribute("aria-pressed", String(command.pressed(view)));
      tip(element, command.title, model.get("shortcuts")[name]?.[0]);
    });
    return element;
  }

  function toolButton(id: string) {
    const element = h("button", { type: "button", class: "cdw-button", "data-tool": id, onclick: () => set("tool", id) }, icon(id));
    tip(element, TOOLS[id].title);
    refreshers.push(() => {
      element.disabled = !view.doc.editable;
      element.setAttribute("aria-pressed", String(model.get("tool") === id));
    });
    return element;
  }

  function set(trait: string, value: unknown) {
    model.set(trait, value);
    model.save_changes();
  }

  function navigation() {
    const place = h("span", { class: "cdw-place" });
    const element = group(button("previous"), place, button("next"));
    refreshers.push(() => {
      const { index, count } = view.doc.image;
      element.hidden = count < 2;
      setText(place, `${index + 1} / ${count}`);
    });
    return element;
  }

  function decisions() {
    const skip = h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => void view.doc.turn("skip") }, "Skip");
    const submit = h("button", { type: "button", class: "cdw-button cdw-text cdw-primary", onclick: () => void view.doc.turn("submit") },
      icon("finish"), "Submit");
    refreshers.push(() => {
      skip.hidden = !model.get("_buttons").includes("skip");
      submit.hidden = !model.get("_buttons").includes("submit");
      skip.disabled = submit.disabled = view.doc.dead;
    });
    return group(skip, submit);
  }

  function opacity() {
    const slider = h("input", {
      type: "range", min: "0", max: "1", step: "0.05", "aria-label": "Opacity of the masks",
      oninput: () => set("opacity", Number(slider.value)),
    });
    const element = h("label", { class: "cdw-opacity" }, icon("opacity"), slider);
    tip(element, "Opacity of the masks");
    refreshers.push(() => {
      if (Number(slider.value) !== model.get("opacity")) slider.value = String(model.get("opacity"));
    });
    return element;
  }

  function zoom() {
    const fit = button("fit", "");
    fit.classList.add("cdw-zoom");
    refreshers.push(() => setText(fit, `${Math.round(view.viewer.camera.scale * 100)} %`));
    return group(button("zoom_out"), fit, button("zoom_in"));
  }

  const element = h("div", { class: "cdw-toolbar", role: "toolbar", "aria-label": "Annotator" },
    navigation(),
    group(...Object.keys(TOOLS).map(toolButton)),
    group(button("undo"), button("redo")),
    group(button("finish"), button("delete_last")),
    h("span", { class: "cdw-spacer" }),
    group(opacity(), button("peek"), button("preview")),
    zoom(),
    group(button("help"), button("fullscreen")),
    decisions(),
  );
  return { element, refresh: () => refreshers.forEach((refresh) => refresh()) };
}

function group(...children: HTMLElement[]) {
  return h("div", { class: "cdw-group" }, ...children);
}

export function tip(element: HTMLElement, text: string, key?: string) {
  const full = key ? `${text}  (${key})` : text;
  if (element.dataset.tip === full) return;
  element.dataset.tip = full;
  element.setAttribute("aria-label", text);
}
