/** Key presses by name, such as "Ctrl+Shift+Z"; the `shortcuts` trait maps commands to them. Ctrl also means Cmd. */

export type Shortcuts = Record<string, string[]>;

export function keyName(
  event: Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">,
): string {
  const isOtherScript = /^Key[A-Z]$/.test(event.code) && !/^[a-z]$/i.test(event.key); // a Cyrillic or Greek layout
  let key = isOtherScript ? event.code.slice(3) : event.key;
  if (key === " ") key = "Space";
  if (key.length === 1) key = key.toUpperCase();
  const shift = event.shiftKey && (key.length > 1 || /[A-Z]/.test(key)); // Shift is part of the key "?"
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

/** Return the command with this key. */
export function commandOf(key: string, shortcuts: Shortcuts): string | undefined {
  return Object.keys(shortcuts).find((command) =>
    shortcuts[command].some((name) => name.toLowerCase() === key.toLowerCase()),
  );
}

/** Whether a key may reach the page around a focused widget: only the keys that leave the widget, and the page's save. */
export function belongsToHost(event: Parameters<typeof keyName>[0]): boolean {
  return event.key === "Tab" || event.key === "Escape" || /^Ctrl\+(Shift\+)?S$/.test(keyName(event));
}

/** Stop all other keys at a widget: some pages (VS Code, nbclassic) have shortcuts for plain keys on their window or document. */
export function keepKeys(root: EventTarget, signal: AbortSignal) {
  for (const type of ["keydown", "keypress", "keyup"])
    root.addEventListener(type, (event) => belongsToHost(event as KeyboardEvent) || event.stopPropagation(), {
      signal,
    });
}

/** JupyterLab handles every key before a widget does, except on or inside elements with this attribute. */
const SUPPRESS_ATTRIBUTE = "data-lm-suppress-shortcuts";

/**
 * Keep the notebook's shortcuts off a widget, except chords that mean nothing there, such as Ctrl+S: `passes` returns whether a key is one.
 * No chord with Enter passes, because notebooks run the cell for it, which would make a new widget.
 * JupyterLab looks up some shortcuts on the focused element first, so that element also gets the attribute.
 */
export function guardShortcuts(root: HTMLElement, passes: (event: KeyboardEvent) => boolean, signal: AbortSignal) {
  keepKeys(root, signal);
  root.setAttribute(SUPPRESS_ATTRIBUTE, "true");
  addEventListener(
    "keydown",
    (event) => {
      const target = event.composedPath()[0];
      if (!(target instanceof Element) || !root.contains(target)) return;
      const isChord =
        (event.ctrlKey || event.metaKey) && !["Control", "Meta", "Shift", "Alt", "Enter"].includes(event.key);
      const isPassed = isChord && passes(event);
      for (const element of [target, root]) {
        if (isPassed) element.removeAttribute(SUPPRESS_ATTRIBUTE);
        else element.setAttribute(SUPPRESS_ATTRIBUTE, "true");
      }
      if (isPassed) setTimeout(() => root.setAttribute(SUPPRESS_ATTRIBUTE, "true"));
    },
    { signal, capture: true },
  );
}
