/** At the end of the status line: from image to image of a list, and what is decided about each. */
import type { Part, View } from "../view";
import { button, group, still } from "./controls";
import { h, setText } from "./dom";
import { icon } from "./icons";

export function walk(view: View): Part {
  const { doc } = view;
  const place = h("span", { class: "cdw-place" });
  const decide = (name: "skip" | "submit", text: string, look: string, picture: Element | null) =>
    h("button", { type: "button", class: `cdw-button cdw-text ${look}`, onclick: () => void doc.turn(name) }, picture, text);
  const decisions = { skip: decide("skip", "Skip", "", null), submit: decide("submit", "Submit", "cdw-primary", icon("finish")) };
  const images = group("Images", button(view, "previous"), still(place), button(view, "next"));
  const decided = group("Decide", ...Object.values(decisions).map((element) => still(element)));
  const element = h("div", { class: "cdw-walk" }, images.element, decided.element);

  function refresh() {
    const { index, count } = doc.image;
    images.element.hidden = count < 2;
    setText(place, `${index + 1} / ${count}`);
    images.refresh();
    for (const [name, button] of Object.entries(decisions)) {
      button.hidden = !doc.model.get("_buttons").includes(name);
      button.disabled = doc.dead;
    }
  }

  return { element, refresh };
}
