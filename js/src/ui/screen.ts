/** A widget on the whole screen or, in a host that does not allow that, on the whole page. */
export class Screen {
  private pretended = false;

  constructor(private readonly root: HTMLElement, private readonly changed: () => void, signal: AbortSignal) {
    document.addEventListener("fullscreenchange", changed, { signal });
  }

  get isFull() { return document.fullscreenElement === this.root || this.pretended; }

  toggle() {
    if (document.fullscreenElement === this.root) void document.exitFullscreen();
    else if (this.pretended) this.pretended = false;
    else this.root.requestFullscreen().catch(() => {
      this.pretended = true;
      this.changed();
    });
    this.changed();
  }
}

/** Give the focus back to what a widget is in, so that a notebook's own keys work at once. */
export function leave(root: HTMLElement) {
  const focused = (root.getRootNode() as Document | ShadowRoot).activeElement;
  if (focused && root.contains(focused)) (focused as HTMLElement).blur();
  root.parentElement?.closest<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
}
