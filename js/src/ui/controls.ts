/** What toolbars and panels are made of. Each part reads what it shows in refresh() and writes in its listener; none remembers. */
import { COMMANDS, type Command } from "../commands";
import type { Part, View } from "../view";
import { h } from "./dom";
import { icon } from "./icons";

const STEPS = 1000; // of a slider whose values are far apart
const GAP = 6; // CSS pixels between a button and what it opens

interface Look { text?: string; small?: boolean }
interface Runner { run(name: string): void; can(name: string): boolean; keyOf(name: string): string | undefined }

/** The button of one of the annotator's commands. */
export const button = (view: View, name: string, look?: Look) => commandButton(view, name, COMMANDS[name], look);

/** The button of a command: disabled, pressed and explained as the command says. */
export function commandButton<V extends Runner>(view: V, name: string, command: Command<V>, { text, small }: Look = {}) {
  const element = h("button", {
    type: "button", class: small ? "cdw-button cdw-small" : "cdw-button", "data-command": name, onclick: () => view.run(name),
  }, command.icon ? icon(command.icon) : null, text);
  const refresh = () => {
    const pressed = command.pressed?.(view);
    element.disabled = !view.can(name);
    if (pressed !== undefined) element.setAttribute("aria-pressed", String(pressed));
    tip(element, command.title, view.keyOf(name));
  };
  return { element, refresh };
}

interface Range {
  label: string;
  min: number;
  max: number;
  step?: number;
  unit?: string;
  curved?: boolean; // equal ways on the slider are equal factors
  get(): number;
  set(value: number): void;
}

/** A slider and its number, which can be typed. */
export function slider({ label, min, max, step = 1, unit = "", curved = false, get, set }: Range): Part {
  const within = (value: number) => Math.min(max, Math.max(min, Math.round(value / step) * step));
  const place = (value: number) => (curved ? (STEPS * Math.log(value / min)) / Math.log(max / min) : value);
  const at = (position: number) => (curved ? min * (max / min) ** (position / STEPS) : position);
  const track = h("input", {
    type: "range", "aria-label": label, min: curved ? "0" : String(min), max: String(curved ? STEPS : max), step: curved ? "any" : String(step),
    oninput: () => set(within(at(Number(track.value)))),
  });
  const number = h("input", {
    type: "number", "aria-label": `${label}, as a number`, min: String(min), max: String(max), step: String(step),
    onchange: () => take(),
    onkeydown: (event: KeyboardEvent) => event.key === "Enter" && take(),
  });
  const take = () => {
    if (number.value) set(within(Number(number.value)));
    write();
  };
  const write = () => { number.value = String(Number(get().toFixed(2))); };
  const element = h("div", { class: "cdw-range" }, h("span", { class: "cdw-label" }, label), track, number, unit ? h("span", { class: "cdw-unit" }, unit) : null);
  const refresh = () => {
    if (within(at(Number(track.value))) !== get()) track.value = String(place(get()));
    if (number !== (element.getRootNode() as Document | ShadowRoot).activeElement) write();
  };
  return { element, refresh };
}

interface Item { text: string; icon?: string; title?: string }

/** One of a few, side by side. */
export function choice<T extends string>(label: string, items: Record<T, Item>, get: () => T, set: (value: T) => void): Part {
  const names = Object.keys(items) as T[];
  const buttons = names.map((name) => {
    const element = h("button", { type: "button", class: "cdw-button", "data-choice": name, onclick: () => set(name) },
      items[name].icon ? icon(items[name].icon!) : null, items[name].text);
    if (items[name].title) tip(element, items[name].title!);
    return element;
  });
  const element = h("div", { class: "cdw-choice", role: "group", "aria-label": label }, ...buttons);
  return { element, refresh: () => buttons.forEach((one, i) => one.setAttribute("aria-pressed", String(names[i] === get()))) };
}

export function check(text: string, get: () => boolean, set: (on: boolean) => void): Part {
  const box = h("input", { type: "checkbox", onchange: () => set(box.checked) });
  return { element: h("label", { class: "cdw-check" }, box, text), refresh: () => { box.checked = get(); } };
}

/** A button that opens a panel below it; a click elsewhere, Escape or scrolling closes it. symbol: an icon, or `text` in its place. */
export function popover(title: string, symbol: string, content: Part, text?: HTMLElement): Part & { button: HTMLButtonElement } {
  const opener = h("button", { type: "button", class: "cdw-button", "aria-haspopup": "dialog", "aria-expanded": "false", onclick: () => panel.togglePopover() },
    text ?? icon(symbol), icon("chevron"));
  tip(opener, title);
  const panel = h("div", { class: "cdw-popover", popover: "auto", role: "dialog", "aria-label": title }, content.element);
  const place = () => {
    const from = opener.getBoundingClientRect(), edge = Math.min(opener.closest(".cdw")!.getBoundingClientRect().right, innerWidth), { offsetWidth: width, offsetHeight: height } = panel;
    const below = from.bottom + GAP + height <= innerHeight || from.top < height + GAP;
    panel.style.left = `${Math.max(GAP, Math.min(from.left, edge - width - GAP))}px`;
    panel.style.top = `${below ? from.bottom + GAP : from.top - GAP - height}px`;
  };
  const hide = () => panel.hidePopover();
  panel.addEventListener("beforetoggle", (event) => {
    if ((event as ToggleEvent).newState === "open") content.refresh();
  });
  panel.addEventListener("toggle", (event) => {
    const open = (event as ToggleEvent).newState === "open";
    opener.setAttribute("aria-expanded", String(open));
    if (!open) return removeEventListener("scroll", onScroll, true);
    place();
    panel.querySelector<HTMLElement>(":is(button, input):enabled:not([hidden])")?.focus({ focusVisible: false } as FocusOptions);
    addEventListener("scroll", onScroll, true);
  });
  panel.addEventListener("keydown", (event) => {
    const enabled = [...panel.querySelectorAll<HTMLElement>("button:enabled")];
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (event.key === "Escape") hide();
    else if (step && !(event.target as Element).matches("input")) enabled.at((enabled.indexOf(event.target as HTMLElement) + step) % enabled.length)?.focus();
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  const onScroll = (event: Event) => { if (!panel.contains(event.target as Node)) hide(); };
  panel.addEventListener("click", (event) => { if ((event.target as Element).closest("[data-closes]")) hide(); });
  return { element: h("div", { class: "cdw-opens" }, opener, panel), button: opener, refresh: () => { if (panel.matches(":popover-open")) content.refresh(); } };
}

export function group(label: string, ...parts: Part[]): Part {
  const element = h("div", { class: "cdw-group", role: "group", "aria-label": label }, ...parts.map((part) => part.element));
  return { element, refresh: () => parts.forEach((part) => part.refresh()) };
}

/** Something to look at only. */
export function still(element: HTMLElement, refresh = () => {}): Part { return { element, refresh }; }

export function tip(element: HTMLElement, text: string, key?: string) {
  const full = key ? `${text}  (${key})` : text;
  if (element.dataset.tip === full) return;
  element.dataset.tip = full;
  element.setAttribute("aria-label", text);
}
