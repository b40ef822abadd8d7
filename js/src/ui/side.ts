/** The panel beside the image: classes to choose from, and the objects. */
import type { Part, View } from "../view";
import { classes } from "./classes";
import { h } from "./dom";
import { objects } from "./objects";

export interface Side extends Part { rename(id: number): void }

export function side(view: View): Side {
  const palette = classes(view), list = objects(view);
  const element = h("aside", { class: "cdw-side", "aria-label": "Classes and objects" }, palette.element, list.element);
  const refresh = () => {
    palette.refresh();
    list.refresh();
  };
  return { element, refresh, rename: list.rename };
}
