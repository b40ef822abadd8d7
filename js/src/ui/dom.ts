type Child = Node | string | null | undefined;
type Props = Record<string, string | boolean | ((event: any) => void)>;

/** An element; properties that are functions are listeners ("onclick"), true is an attribute without a value. */
export function h<K extends keyof HTMLElementTagNameMap>(tag: K, props: Props = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else if (value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child): child is Node | string => child != null));
  return element;
}

/** Set what changed only, so that refreshing often costs nothing. */
export function setText(element: Element, text: string) {
  if (element.textContent !== text) element.textContent = text;
}
