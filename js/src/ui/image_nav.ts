/** At the end of the status line: previous and next image of a list, the number of the current one, and the buttons Skip and Submit. */

import { h, setText } from "../dom";
import { commandButton, group, staticPart } from "./controls";
import type { CommandHost, DocumentHost, FocusHost, Part } from "./host";

export interface ImageNav extends Part {
  askImage(): void; // opens the field for the number of an image
}

export function imageNav(host: DocumentHost & CommandHost & FocusHost): ImageNav {
  const { doc, commands } = host;
  const place = commandButton(commands, "goto", { text: " " });
  place.element.classList.add("cdw-place");
  const field = h("input", {
    type: "text",
    inputmode: "numeric",
    class: "cdw-typed cdw-number-field",
    "aria-label": "Number of the image",
    hidden: true,
    onkeydown: (event: KeyboardEvent) => {
      event.stopPropagation();
      if (event.key === "Enter") goTo(Number(field.value));
      if (event.key === "Enter" || event.key === "Escape") close();
    },
    onblur: () => showField(false),
  });
  const decisionButton = (name: "skip" | "submit", text: string, className: string) => {
    const part = commandButton(commands, name, { text });
    part.element.classList.add("cdw-text", className);
    return part;
  };
  const decisions = {
    skip: decisionButton("skip", "Skip", "cdw-skip"),
    submit: decisionButton("submit", "Submit", "cdw-primary"),
  };
  const images = group(
    "Images",
    commandButton(commands, "previous"),
    place,
    staticPart(field),
    commandButton(commands, "next"),
    commandButton(commands, "next_unlabeled"),
    commandButton(commands, "following"),
    commandButton(commands, "filmstrip"),
  );
  const decided = group("Decision", ...Object.values(decisions));
  const element = h("div", { class: "cdw-image-nav" }, images.element, decided.element);

  function goTo(number: number) {
    const { count } = doc.image;
    if (!Number.isInteger(number) || number < 1 || number > count)
      return doc.say(`There is no image ${field.value || "without a number"}; type a number from 1 to ${count}`);
    void doc.edit(() => doc.changeImage("goto", { index: number - 1 }), { changesImage: true });
  }

  function showField(isShown: boolean) {
    field.hidden = !isShown;
    place.element.hidden = isShown;
  }

  function close() {
    showField(false);
    host.focus();
  }

  function askImage() {
    field.value = "";
    field.placeholder = String(doc.image.index + 1);
    showField(true);
    field.focus();
  }

  function refresh() {
    const { index, count } = doc.image;
    images.element.hidden = count < 2;
    images.refresh();
    setText(place.element, `${index + 1} / ${count}`);
    decided.refresh();
    for (const [name, { element: button }] of Object.entries(decisions))
      button.hidden = !doc.model.get("_buttons").includes(name);
  }

  return { element, refresh, askImage };
}
