/** At the end of the status line: previous and next image of a list, and the buttons Skip and Submit. */

import { h, setText } from "../dom";
import { commandButton, group, staticPart } from "./controls";
import type { CommandHost, DocumentHost, Part } from "./host";
import { ICONS, icon } from "./icons";

export function imageNav({ doc, commands }: DocumentHost & CommandHost): Part {
  const position = h("span", { class: "cdw-place" });
  const decisionButton = (name: "skip" | "submit", text: string, className: string, picture: Element | null) =>
    h(
      "button",
      { type: "button", class: `cdw-button cdw-text ${className}`, onclick: () => void doc.changeImage(name) },
      picture,
      text,
    );
  const decisions = {
    skip: decisionButton("skip", "Skip", "", null),
    submit: decisionButton("submit", "Submit", "cdw-primary", icon(ICONS.finish)),
  };
  const images = group(
    "Images",
    commandButton(commands, "previous"),
    staticPart(position),
    commandButton(commands, "next"),
  );
  const decided = group("Decision", ...Object.values(decisions).map((button) => staticPart(button)));
  const element = h("div", { class: "cdw-image-nav" }, images.element, decided.element);

  function refresh() {
    const { index, count } = doc.image;
    images.element.hidden = count < 2;
    setText(position, `${index + 1} / ${count}`);
    images.refresh();
    for (const [name, button] of Object.entries(decisions)) {
      button.hidden = !doc.model.get("_buttons").includes(name);
      button.disabled = doc.isLost;
    }
  }

  return { element, refresh };
}
