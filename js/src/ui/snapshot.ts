/** The static picture that is saved with the widget, in place of the content until the kernel sends that. */
import { h } from "../dom";
import type { Model } from "../kernel";
import type { PictureTraits } from "../traits";
import type { Part } from "./host";

/** Show the picture while `isNeeded`, in notebooks only. The one in the output of the cell, for readers that do not run this page, is hidden. */
export function savedPicture(model: Pick<Model<PictureTraits>, "get">, isNeeded: () => boolean): Part {
  const picture = h("img", { alt: "The saved state of this widget" });
  const inOutput = `.${model.get("_picture_class")}`;
  const element = h(
    "figure",
    { class: "cdw-snapshot" },
    picture,
    h("figcaption", { class: "cdw-pill" }, "Saved picture – run the cell to edit"),
    h(
      "style",
      {},
      `${inOutput}, .jp-OutputArea-child:has(${inOutput}), .output_area:has(${inOutput}) { display: none }`,
    ),
  );

  function refresh() {
    const address = model.get("_is_notebook") ? (model.get("_snapshot") ?? "") : "";
    element.hidden = !address || !isNeeded();
    if (!element.hidden && picture.getAttribute("src") !== address) picture.src = address;
  }

  return { element, refresh };
}
