/** JupyterLab looks at every key before a widget does. It leaves alone what is pressed on, or inside, an element with this attribute. */
const SUPPRESS = "data-lm-suppress-shortcuts";

/**
 * Keep the notebook's keys off a widget, but for chords that mean nothing there, such as Ctrl+S: `passes` says which. Some of the
 * notebook's keys are looked up on the focused element, before those around it, so that one gets the attribute too.
 */
export function shield(root: HTMLElement, passes: (event: KeyboardEvent) => boolean, signal: AbortSignal) {
  root.setAttribute(SUPPRESS, "true");
  addEventListener("keydown", (event) => {
    const target = event.composedPath()[0];
    if (!(target instanceof Element) || !root.contains(target)) return;
    const chord = (event.ctrlKey || event.metaKey) && !["Control", "Meta", "Shift", "Alt"].includes(event.key), through = chord && passes(event);
    for (const element of [target, root]) {
      if (through) element.removeAttribute(SUPPRESS);
      else element.setAttribute(SUPPRESS, "true");
    }
    if (through) setTimeout(() => root.setAttribute(SUPPRESS, "true"));
  }, { signal, capture: true });
}
