/** Controls for toolbars and panels. Each part shows the current value in refresh() and writes it in its listener; none stores it. */

import { focusedNear, h } from "../dom";
import type { CommandRunner } from "./command_set";
import type { Part } from "./host";
import { ICONS, icon } from "./icons";

const LOG_SLIDER_STEPS = 1000; // positions of a slider with a logarithmic scale
const POPOVER_GAP_PX = 6;

/** The button of a command: enabled, pressed and labeled by the command. */
export function commandButton(
  commands: CommandRunner,
  name: string,
  { text, isSmall }: { text?: string; isSmall?: boolean } = {},
) {
  const picture = commands.iconOf(name);
  const element = h(
    "button",
    {
      type: "button",
      class: isSmall ? "cdw-button cdw-small" : "cdw-button",
      "data-command": name,
      onclick: () => commands.run(name),
    },
    picture ? icon(picture) : null,
    text,
  );
  const refresh = () => {
    const isPressed = commands.isPressed(name);
    element.disabled = !commands.can(name);
    if (isPressed !== undefined) element.setAttribute("aria-pressed", String(isPressed));
    setTooltip(element, commands.titleOf(name), commands.keyOf(name), commands.whyOff(name));
  };
  return { element, refresh };
}

interface SliderSetup {
  label: string;
  min: number;
  max: number;
  step?: number;
  unit?: string;
  isCurved?: boolean; // equal distances on the slider are equal factors
  get(): number;
  set(value: number): void;
}

/** A slider and its number, which can be typed. */
export function slider({ label, min, max, step = 1, unit = "", isCurved = false, get, set }: SliderSetup): Part {
  const digits = Math.max(2, Math.ceil(-Math.log10(step)));
  const clamp = (value: number) => Math.min(max, Math.max(min, Math.round(value / step) * step));
  const positionOf = (value: number) =>
    isCurved ? (LOG_SLIDER_STEPS * Math.log(value / min)) / Math.log(max / min) : value;
  const valueAt = (position: number) => (isCurved ? min * (max / min) ** (position / LOG_SLIDER_STEPS) : position);
  const track = h("input", {
    type: "range",
    "aria-label": label,
    min: isCurved ? "0" : String(min),
    max: String(isCurved ? LOG_SLIDER_STEPS : max),
    step: isCurved ? "any" : String(step),
    oninput: () => set(clamp(valueAt(Number(track.value)))),
  });
  const number = h("input", {
    type: "number",
    "aria-label": `${label}, as a number`,
    min: String(min),
    max: String(max),
    step: String(step),
    onchange: () => read(),
    onkeydown: (event: KeyboardEvent) => event.key === "Enter" && read(),
  });
  const read = () => {
    if (number.value) set(clamp(Number(number.value)));
    write();
  };
  const write = () => {
    number.value = String(Number(get().toFixed(digits)));
  };
  const element = h(
    "div",
    { class: "cdw-range" },
    h("span", { class: "cdw-label" }, label),
    track,
    number,
    unit ? h("span", { class: "cdw-unit" }, unit) : null,
  );
  const refresh = () => {
    if (clamp(valueAt(Number(track.value))) !== get()) track.value = String(positionOf(get()));
    if (number !== focusedNear(element)) write();
  };
  return { element, refresh };
}

interface ChoiceItem {
  text: string;
  icon?: string;
  title?: string;
}

/** A row of buttons with one pressed. */
export function choice<T extends string>(
  label: string,
  items: Record<T, ChoiceItem>,
  get: () => T,
  set: (value: T) => void,
): Part {
  const names = Object.keys(items) as T[];
  const buttons = names.map((name) => {
    const { text, icon: picture, title } = items[name];
    const element = h(
      "button",
      { type: "button", class: "cdw-button", "data-choice": name, onclick: () => set(name) },
      picture ? icon(picture) : null,
      text,
    );
    if (title) setTooltip(element, title);
    return element;
  });
  const element = h("div", { class: "cdw-choice", role: "group", "aria-label": label }, ...buttons);
  const refresh = () => {
    for (const [i, button] of buttons.entries()) button.setAttribute("aria-pressed", String(names[i] === get()));
  };
  return { element, refresh };
}

export function checkbox(text: string, get: () => boolean, set: (on: boolean) => void): Part {
  const box = h("input", { type: "checkbox", onchange: () => set(box.checked) });
  const refresh = () => {
    box.checked = get();
  };
  return { element: h("label", { class: "cdw-check" }, box, text), refresh };
}

/** A button that opens a panel below it; a click elsewhere, Escape or scrolling closes it. */
export function popover(
  title: string,
  face: Element, // the icon or text of the button
  content: Part,
): Part & { button: HTMLButtonElement } {
  const opener = h(
    "button",
    {
      type: "button",
      class: "cdw-button",
      "aria-haspopup": "dialog",
      "aria-expanded": "false",
      onclick: () => panel.togglePopover(),
    },
    face,
    icon(ICONS.chevron),
  );
  setTooltip(opener, title);
  const panel = h(
    "div",
    { class: "cdw-popover", popover: "auto", role: "dialog", "aria-label": title },
    content.element,
  );
  const hide = () => panel.hidePopover();
  panel.addEventListener("beforetoggle", (event) => {
    if ((event as ToggleEvent).newState === "open") content.refresh();
  });
  panel.addEventListener("toggle", (event) => {
    const isOpen = (event as ToggleEvent).newState === "open";
    opener.setAttribute("aria-expanded", String(isOpen));
    if (!isOpen) return removeEventListener("scroll", onScroll, true);
    placePopover(panel, opener);
    const first = panel.querySelector<HTMLElement>(":is(button, input):enabled:not([hidden])");
    first?.focus({ focusVisible: false } as FocusOptions);
    addEventListener("scroll", onScroll, true);
  });
  panel.addEventListener("keydown", (event) => {
    const enabled = [...panel.querySelectorAll<HTMLElement>("button:enabled")];
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") hide();
    else if (step && !(event.target as Element).matches("input"))
      enabled.at((enabled.indexOf(event.target as HTMLElement) + step) % enabled.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const onScroll = (event: Event) => {
    if (!panel.contains(event.target as Node)) hide();
  };
  const refresh = () => {
    if (panel.matches(":popover-open")) content.refresh();
  };
  return { element: h("div", { class: "cdw-opens" }, opener, panel), button: opener, refresh };
}

/** Place an open popover below an element, or above it if there is no room, within the widget. */
export function placePopover(panel: HTMLElement, anchor: Element) {
  const from = anchor.getBoundingClientRect();
  const edge = Math.min(anchor.closest(".cdw")?.getBoundingClientRect().right ?? innerWidth, innerWidth);
  const { offsetWidth: width, offsetHeight: height } = panel;
  const fitsBelow = from.bottom + POPOVER_GAP_PX + height <= innerHeight || from.top < height + POPOVER_GAP_PX;
  const top = fitsBelow ? from.bottom + POPOVER_GAP_PX : from.top - POPOVER_GAP_PX - height;
  const lowest = Math.max(POPOVER_GAP_PX, innerHeight - height - POPOVER_GAP_PX);
  panel.style.left = `${Math.max(POPOVER_GAP_PX, Math.min(from.left, edge - width - POPOVER_GAP_PX))}px`;
  panel.style.top = `${Math.min(top, lowest)}px`;
}

/** Make a toolbar one stop of the Tab key: the arrow keys move between its controls. Returns the function that refreshes it. */
export function rovingFocus(toolbar: HTMLElement): () => void {
  const controls = () =>
    [...toolbar.querySelectorAll<HTMLElement>("button, input")].filter(
      (control) => !control.closest("[popover]") && control.checkVisibility?.() !== false,
    );
  const canFocus = (control: HTMLElement) => control.matches(":enabled");
  let current: HTMLElement | null = null;
  const refresh = () => {
    const all = controls();
    const usable = all.filter(canFocus);
    if (!current || !usable.includes(current)) current = usable[0] ?? null;
    for (const control of all) control.tabIndex = control === current ? 0 : -1;
  };
  toolbar.addEventListener("focusin", (event) => {
    const control = (event.target as Element).closest<HTMLElement>("button, input");
    if (!control || control.closest("[popover]")) return;
    current = control;
    refresh();
  });
  toolbar.addEventListener("keydown", (event) => {
    const isRange = (event.target as Element).matches("input");
    if (isRange || (event.target as Element).closest("[popover]")) return;
    const all = controls().filter(canFocus);
    const at = all.indexOf(event.target as HTMLElement);
    const targets: Record<string, number> = { ArrowRight: at + 1, ArrowLeft: at - 1, Home: 0, End: -1 };
    if (at < 0 || !(event.key in targets) || event.altKey || event.ctrlKey || event.metaKey) return;
    all.at(targets[event.key] % all.length)?.focus();
    event.preventDefault();
    event.stopPropagation();
  });
  return refresh;
}

export function group(label: string, ...parts: Part[]): Part {
  const element = h(
    "div",
    { class: "cdw-group", role: "group", "aria-label": label },
    ...parts.map((part) => part.element),
  );
  return { element, refresh: () => refreshAll(parts) };
}

/** A part that cannot be operated. */
export function staticPart(element: HTMLElement, refresh = () => {}): Part {
  return { element, refresh };
}

export function refreshAll(parts: Part[]) {
  for (const part of parts) part.refresh();
}

/** Set a tooltip; `note`, on a second line, says why the control is off. */
export function setTooltip(element: HTMLElement, text: string, key?: string, note?: string) {
  const full = (key ? `${text}  (${key})` : text) + (note ? `\n${note}` : "");
  if (element.dataset.tip === full) return;
  element.dataset.tip = full;
  element.setAttribute("aria-label", text);
}
