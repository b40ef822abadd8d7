/** The sheet of keys, made from the same tables as the keys and buttons. */

import { h } from "../dom";
import type { Shortcuts } from "../keys";
import { TOOLS } from "../tools";
import type { CommandRunner } from "./command_set";
import { COMMANDS } from "./commands";
import type { CommandHost, ModeHost, Part } from "./host";

export type HelpLine = [title: string, keys: string[]];
export interface HelpSection {
  title: string;
  lines: HelpLine[];
}

/** A help sheet that is built when it opens and closes on a click. */
export function helpSheet(isOpen: () => boolean, close: () => void, sections: () => HelpSection[]): Part {
  const list = h("div", {});
  const element = h(
    "div",
    { class: "cdw-help", role: "dialog", tabindex: "0", "aria-label": "Keys", onclick: close },
    list,
  );

  function refresh() {
    if (element.hidden === !isOpen()) return;
    element.hidden = !isOpen();
    if (isOpen()) list.replaceChildren(...sections().map(section));
  }

  return { element, refresh };
}

/** The lines of commands that have a key. */
export function commandLines(names: string[], commands: CommandRunner, shortcuts: Shortcuts): HelpLine[] {
  return names
    .filter((name) => shortcuts[name]?.length)
    .map((name): HelpLine => [commands.titleOf(name), shortcuts[name]]);
}

function section({ title, lines }: HelpSection): HTMLElement {
  const rows = lines.map(([text, keys]) => {
    const names = keys.map((key) => h("kbd", { class: "cdw-key" }, key));
    return h("div", { class: "cdw-line" }, h("span", {}, text), h("span", {}, ...names));
  });
  return h("section", {}, h("b", {}, title), ...rows);
}

const IMAGE_LINES: HelpLine[] = [
  ["Select the object under the pointer", ["Ctrl+Click"]],
  ["Add it to the selection", ["Ctrl+Shift+Click"]],
  ["Add to the object", ["Left click"]],
  ["Remove from the object", ["Right click", "Shift+Left click"]],
  ["Invert a manual tool (add ↔ remove)", ["Alt"]],
  ["Zoom at the pointer", ["Wheel", "Ctrl+Wheel"]],
  ["Choose a class", ["1–9"]],
];
const LIST_LINES: HelpLine[] = [
  ["Edit the object", ["Click"]],
  ["Add to the selection, or a range", ["Ctrl+Click", "Shift+Click"]],
  ["Change its class", ["Double-click"]],
  ["Move it forward or backward", ["Drag"]],
  ["Hide all others", ["Alt+Click on the eye"]],
];
const MASK_COMMANDS = [
  ...["undo", "redo", "alternative", "previous_alternative", "lock", "smaller", "larger"],
  ...["fill_holes", "keep_largest", "smooth", "grow", "shrink", "snap"],
];
const OBJECT_COMMANDS = [
  ...["finish", "classes", "rename", "delete_last", "delete", "select_all", "duplicate", "similar", "merge", "split"],
  ...["forward", "backward", "copy_previous", "follow_previous"],
];
const IMAGE_COMMANDS = ["submit", "skip", "next", "previous", "goto", "next_unlabeled", "following", "filmstrip"];

export function annotatorHelp(host: CommandHost & ModeHost & { shortcuts(): Shortcuts }): Part {
  const tools = Object.keys(TOOLS);
  const others = Object.keys(COMMANDS).filter(
    (name) => ![...tools, ...MASK_COMMANDS, ...OBJECT_COMMANDS, ...IMAGE_COMMANDS].includes(name),
  );
  const lines = (names: string[]) => commandLines(names, host.commands, host.shortcuts());
  return helpSheet(
    () => host.modes.helping,
    () => host.setModes({ helping: false }),
    () => [
      { title: "On the image", lines: IMAGE_LINES },
      { title: "Tools", lines: lines(tools) },
      { title: "Mask", lines: lines(MASK_COMMANDS) },
      { title: "Objects", lines: lines(OBJECT_COMMANDS) },
      { title: "In the list of objects", lines: LIST_LINES },
      { title: "Images", lines: lines(IMAGE_COMMANDS) },
      { title: "View", lines: lines(others) },
    ],
  );
}
