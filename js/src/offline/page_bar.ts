/** The bar above the annotator: the title, how much is labeled, and the file with the labels. */

import type { ImageDocument } from "../document";
import { h, setText } from "../dom";
import { type LabelFile, REPLACES_OBJECTS } from "./page_data";

export function pageBar(doc: ImageDocument, title: string): HTMLElement {
  const status = h("span", { class: "cdw-page-status", role: "status" });
  const picker = h("input", { type: "file", accept: ".json", hidden: true, onchange: () => void load() });
  const button = (text: string, title: string, onclick: () => void, className = "cdw-button") =>
    h("button", { type: "button", class: className, title, onclick }, text);

  async function save() {
    await doc.pendingEdits;
    const reply = await doc.kernel.run<LabelFile>("save");
    if (!reply) return;
    const { annotations, images } = reply.result;
    const url = URL.createObjectURL(new Blob([JSON.stringify(reply.result)], { type: "application/json" }));
    const name = `${title || "labels"}.json`;
    h("a", { href: url, download: name }).click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000);
    const labeled = new Set(annotations.map(({ image_id }) => image_id)).size;
    const objects = `${annotations.length} ${annotations.length === 1 ? "object" : "objects"}`;
    // The browser numbers files of the same name, so an older one may have exactly this name.
    setText(status, `Saved ${objects} in ${labeled} of ${images.length} images. Send back the newest ${name}.`);
  }

  async function load() {
    const [file] = picker.files ?? [];
    picker.value = "";
    if (!file) return;
    const read = file.text().then((text) => JSON.parse(text) as LabelFile);
    const content = await read.catch(() => doc.kernel.showError(`${file.name} is not a file of labels`));
    if (content) await replaceObjects(content, false);
  }

  function replaceObjects(file: LabelFile, replaces: boolean): Promise<void> {
    const replace = { text: "Replace", run: () => void replaceObjects(file, true) };
    const offer = (kind: string) => (kind === REPLACES_OBJECTS ? replace : undefined);
    return doc.edit(() => doc.kernel.run("load", { file, replaces }, { offer }), { changesImage: true });
  }

  return h(
    "header",
    { class: "cdw-page-bar" },
    h("strong", {}, title),
    status,
    h("span", { class: "cdw-spacer" }),
    ...(doc.model.get("view_only")
      ? []
      : [
          button("Load labels", "Replace the objects by those of a file that was saved here", () => picker.click()),
          button(
            "Save labels",
            "Save one small file with the labels of all images",
            () => void save(),
            "cdw-button cdw-primary",
          ),
          picker,
        ]),
  );
}
