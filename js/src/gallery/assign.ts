/** Panels that give the chosen instances a class or an attribute, or their images a tag: typing finds one, Enter takes it. */
import { matchLabels } from "../class_matches";
import { h } from "../dom";
import { popover, setTooltip } from "../ui/controls";
import type { Part } from "../ui/host";
import { icon } from "../ui/icons";
import type { GalleryCommandHost, QueueHost, TargetHost } from "./host";

const MAX_LISTED = 50;

export interface AssignPanel extends Part {
  open(): void;
}

export interface Choice {
  value: string;
  text: string;
}

/** Return the values that a typed text may mean, the best first; a new one is the last. */
export function choicesFor(typed: string, known: readonly string[], allows = (_text: string) => true): Choice[] {
  const name = typed.trim();
  const found = matchLabels(name, known.filter(Boolean), [])
    .slice(0, MAX_LISTED)
    .map((value) => ({ value, text: value }));
  return name && !known.includes(name) && allows(name) ? [...found, { value: name, text: `Add “${name}”` }] : found;
}

/** Return the value that Enter takes; null while nothing is typed, so that no class is given by accident. */
export function enteredChoice(
  typed: string,
  known: readonly string[],
  allows?: (text: string) => boolean,
): Choice | null {
  return (typed.trim() && choicesFor(typed, known, allows)[0]) || null;
}

export function assignPanel(
  host: QueueHost & TargetHost & GalleryCommandHost,
  options: {
    noun: string;
    title: string;
    icon: string;
    known: () => string[];
    allows?: (text: string) => boolean; // whether a new value may be added, and "": whether the panel can be used
    assign: (ids: number[], value: string) => void;
  },
): AssignPanel {
  const input = h("input", {
    type: "text",
    class: "cdw-typed",
    placeholder: options.noun,
    "aria-label": options.noun,
    autocomplete: "off",
    oninput: () => list(),
    onkeydown: (event: KeyboardEvent) => {
      const entered = enteredChoice(input.value, options.known(), options.allows);
      if (event.key === "Enter" && entered) take(entered.value);
    },
  });
  const rows = h("div", { class: "cdw-options-list" });
  const content = h("div", { class: "cdw-several" }, input, rows);
  const panel = popover(options.title, icon(options.icon), { element: content, refresh: () => {} });
  setTooltip(panel.button, options.title);
  panel.element.addEventListener(
    "beforetoggle",
    () => {
      input.value = "";
      list();
    },
    true,
  );

  function list() {
    const option = ({ value, text }: Choice) =>
      h("button", { type: "button", class: "cdw-button cdw-text", onclick: () => take(value) }, text);
    rows.replaceChildren(...choicesFor(input.value, options.known(), options.allows).map(option));
  }

  function take(value: string) {
    content.closest<HTMLElement>("[popover]")?.hidePopover();
    options.assign(host.targets, value);
  }

  function refresh() {
    panel.button.disabled = !host.queue.isEditable || !host.targets.length || options.allows?.("") === false;
  }

  return { element: panel.element, refresh, open: () => panel.button.click() };
}
