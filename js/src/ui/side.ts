/** The panel beside the image: classes to choose from, and the objects. */
import type { View } from "../view";
import { classes } from "./classes";
import { h } from "./dom";
import { objects, type Objects } from "./objects";

export function side(view: View): Objects {
  const palette = classes(view), list = objects(view);
  const element = h("aside", { class: "cdw-side", "aria-label": "Classes and objects" }, palette.element, list.element);
  const refresh = () => {
    palette.refresh();
    list.refresh();
  };
  return { element, refresh, rename: list.rename };
}
