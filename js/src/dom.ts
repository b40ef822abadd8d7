/** Elements, canvases, focus and full screen. */

type Child = Node | string | null | undefined;
type Props = Record<string, string | boolean | ((event: never) => void)>;

/** Create an element; properties that are functions are listeners ("onclick"), true is an attribute without a value. */
export function h<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  props: Props = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child): child is Node | string => child != null));
  return element;
}

/** The drawing context of a canvas, which exists in every supported browser. */
export function context2d(
  canvas: HTMLCanvasElement,
  options?: CanvasRenderingContext2DSettings,
): CanvasRenderingContext2D;
export function context2d(
  canvas: OffscreenCanvas,
  options?: CanvasRenderingContext2DSettings,
): OffscreenCanvasRenderingContext2D;
export function context2d(canvas: HTMLCanvasElement | OffscreenCanvas, options?: CanvasRenderingContext2DSettings) {
  const context = canvas.getContext("2d", options);
  if (!context) throw new Error("this browser cannot draw on a canvas");
  return context;
}

/** Give canvases the device pixels of a size in CSS pixels. */
export function resizeCanvases(canvases: HTMLCanvasElement[], width: number, height: number) {
  const ratio = devicePixelRatio || 1;
  for (const canvas of canvases) {
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
  }
}

/** Set a text only if it differs, so that frequent refreshes are cheap. */
export function setText(element: Element, text: string) {
  if (element.textContent !== text) element.textContent = text;
}

/** The document or the shadow tree that `element` is in. */
function treeOf(element: Element) {
  return element.getRootNode() as Document | ShadowRoot;
}

/** The focused element of the tree that `element` is in. */
export function focusedNear(element: Element): Element | null {
  return treeOf(element).activeElement;
}

/** Give the focus back to the surroundings of a widget, so that the notebook's own keys work at once. */
export function leave(root: HTMLElement) {
  const focused = focusedNear(root);
  if (focused && root.contains(focused)) (focused as HTMLElement).blur();
  root.parentElement?.closest<HTMLElement>("[tabindex]")?.focus({ preventScroll: true });
}

/** Whether a button has just taken the focus by a click: the widget takes it back, so that Enter does not press the button again. */
export function isPointerClickOnFocusedButton(event: MouseEvent): boolean {
  const button = (event.target as Element).closest("button:not([aria-haspopup], .cdw-popover *)");
  return event.detail > 0 && !!button?.matches(":focus");
}

/** A widget on the whole screen or, in a host that does not allow that, on the whole page. */
export class FullScreen {
  private coversPage = false;

  constructor(
    private readonly root: HTMLElement,
    private readonly changed: () => void,
    signal: AbortSignal,
  ) {
    document.addEventListener("fullscreenchange", changed, { signal });
  }

  get isOn() {
    return this.fillsScreen || this.coversPage;
  }

  toggle() {
    if (this.fillsScreen) void document.exitFullscreen();
    else if (this.coversPage) this.coversPage = false;
    else
      this.root.requestFullscreen().catch(() => {
        this.coversPage = true;
        this.changed();
      });
    this.changed();
  }

  /** In a shadow tree, the document knows only the host of the tree. */
  private get fillsScreen() {
    return treeOf(this.root).fullscreenElement === this.root;
  }
}
