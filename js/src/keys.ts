/** Key presses by name, "Ctrl+Shift+Z": what the `shortcuts` trait maps to commands. Ctrl is also Cmd. */

export function keyName(event: Pick<KeyboardEvent, "key" | "code" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">): string {
  const latin = /^Key[A-Z]$/.test(event.code) && !/^[a-z]$/i.test(event.key); // a Cyrillic or Greek layout
  let key = latin ? event.code.slice(3) : event.key;
  if (key === " ") key = "Space";
  if (key.length === 1) key = key.toUpperCase();
  const shift = event.shiftKey && (key.length > 1 || /[A-Z]/.test(key)); // for "?" Shift is part of the key
  return `${event.ctrlKey || event.metaKey ? "Ctrl+" : ""}${event.altKey ? "Alt+" : ""}${shift ? "Shift+" : ""}${key}`;
}

/** The command that a key calls, by {command: [keys]}. */
export function commandOf(key: string, shortcuts: Record<string, string[]>): string | undefined {
  return Object.keys(shortcuts).find((command) => shortcuts[command].some((name) => name.toLowerCase() === key.toLowerCase()));
}
