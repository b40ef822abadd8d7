/** Over the image, while proposals are shown: their number, how sure they must be, and the ways to take them. */
import { h, setText } from "../dom";
import { slider } from "./controls";
import type { Part, SimilarHost } from "./host";

export function similarBar(host: SimilarHost): Part {
  const { similar } = host;
  const text = h("span", {});
  const sure = slider({
    label: "At least",
    unit: "%",
    min: 10,
    max: 95,
    step: 5,
    get: () => Math.round(similar.minScore * 100),
    set: (percent) => similar.setMinScore(percent / 100),
  });
  const button = (title: string, run: () => unknown) =>
    h("button", { type: "button", class: "cdw-button", onclick: () => void run() }, title);
  const take = button("Take all", () => similar.takeAll());
  const hint = h("span", { class: "cdw-soft" }, "Click takes one, the right button rejects one");
  const close = button("Close", () => similar.close());
  const element = h(
    "div",
    { class: "cdw-pill cdw-similar", role: "group", "aria-label": "Similar objects" },
    text,
    sure.element,
    take,
    close,
    hint,
  );

  function refresh() {
    element.hidden = !similar.isOpen;
    if (element.hidden) return;
    const { length } = similar.shown;
    setText(text, similar.count ? `${length} of ${similar.count} similar objects` : "No similar object found");
    take.disabled = !length;
    sure.refresh();
  }

  return { element, refresh };
}
