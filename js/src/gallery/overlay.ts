/** What lies over the tiles: trouble, and what to do where there are none. */
import { h, setText } from "../ui/dom";
import { icon } from "../ui/icons";
import type { Part } from "../view";
import { isFiltered, PLAIN } from "./filters";
import type { Queue } from "./queue";
import type { GalleryView } from "./view";

export function overlay(view: GalleryView): Part {
  const { queue } = view, problem = trouble(queue);
  const title = h("b"), what = h("p"), clear = h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => queue.write(PLAIN) }, "Clear the filters");
  const empty = h("div", { class: "cdw-empty" }, icon("tiles"), title, what, clear);
  const element = h("div", { class: "cdw-over" }, empty, problem.element);

  function refresh() {
    problem.refresh();
    empty.hidden = queue.rows.count > 0 || queue.waiting;
    if (empty.hidden) return;
    const filtered = isFiltered(queue.model);
    clear.hidden = !filtered;
    setText(title, filtered ? "Nothing matches" : "Nothing to review");
    setText(what, filtered ? "No instance has all that the filters ask for." : 'The catalogue holds no instances yet. Add some, for example by catalogue.import_("coco", "annotations.json").');
  }

  return { element, refresh };
}

/** What went wrong, until it is dismissed or done again. */
export function trouble(queue: Queue): Part {
  const message = h("span"), offer = h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => queue.trouble?.offer?.run() });
  const close = h("button", { type: "button", class: "cdw-button cdw-small", "aria-label": "Dismiss", onclick: () => queue.dismiss() }, icon("close"));
  const element = h("div", { class: "cdw-trouble", role: "alert" }, icon("warning"), message, offer, close);

  function refresh() {
    element.hidden = !queue.trouble;
    if (!queue.trouble) return;
    element.dataset.kind = queue.trouble.kind;
    setText(message, queue.trouble.text);
    close.hidden = queue.dead;
    offer.hidden = !queue.trouble.offer;
    setText(offer, queue.trouble.offer?.text ?? "");
  }

  return { element, refresh };
}
