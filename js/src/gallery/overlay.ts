/** Over the tiles: the notice, advice where there are no tiles, and the sheet of keys. */
import { h, setText } from "../dom";
import type { Shortcuts } from "../keys";
import { commandLines, type HelpLine, helpSheet } from "../ui/help";
import type { Part } from "../ui/host";
import { ICONS, icon } from "../ui/icons";
import { noticeBanner } from "../ui/notice";
import { savedPicture } from "../ui/snapshot";
import { COMMANDS } from "./commands";
import { isFiltered, listsImages, NO_FILTERS } from "./filters";
import type { GalleryCommandHost, GalleryModeHost, QueueHost } from "./host";

export function overlay({ queue }: QueueHost): Part {
  const notice = noticeBanner(queue.kernel);
  const title = h("b");
  const advice = h("p");
  const clear = h(
    "button",
    { type: "button", class: "cdw-button cdw-text", onclick: () => queue.set(NO_FILTERS) },
    "Clear the filters",
  );
  const showImages = h(
    "button",
    { type: "button", class: "cdw-button cdw-text", onclick: () => queue.set({ without_objects: true }) },
    "Show the images without objects",
  );
  const empty = h("div", { class: "cdw-empty" }, icon(ICONS.tiles), title, advice, clear, showImages);
  const saved = savedPicture(queue.model, () => queue.rows.count > 0 && !queue.rows.has(0));
  const element = h("div", { class: "cdw-over" }, saved.element, empty, notice.element);

  function refresh() {
    notice.refresh();
    saved.refresh();
    empty.hidden = queue.rows.count > 0 || queue.isWaiting;
    if (empty.hidden) return;
    const filtered = isFiltered(queue.model);
    clear.hidden = !filtered;
    showImages.hidden = listsImages(queue.model) || !queue.withoutObjects;
    setText(title, filtered ? "Nothing matches" : "Nothing to review");
    setText(
      advice,
      filtered
        ? `No ${listsImages(queue.model) ? "image" : "instance"} matches all filters.`
        : 'The catalogue has no instances yet. Add some, for example with catalogue.import_("coco", "annotations.json").',
    );
  }

  return { element, refresh };
}

const GRID_LINES: HelpLine[] = [
  ["Go to a tile", ["←", "→", "↑", "↓"]],
  ["Page, first, last", ["PageUp", "PageDown", "Home", "End"]],
  ["Edit", ["Double click"]],
  ["Add to selection", ["Ctrl+Click"]],
  ["Select range", ["Shift+Click", "Shift+Arrows"]],
  ["Heatmap of suspect pixels", ["Hover"]],
];

export function galleryHelp(host: GalleryCommandHost & GalleryModeHost & { shortcuts(): Shortcuts }): Part {
  const lines = (isEditor: boolean) => {
    const names = Object.keys(COMMANDS).filter((name) => (COMMANDS[name].where === "editor") === isEditor);
    return commandLines(names, host.commands, host.shortcuts());
  };
  return helpSheet(
    () => host.modes.helping,
    () => host.setModes({ helping: false }),
    () => [
      { title: "In the grid", lines: lines(false) },
      { title: "Tiles", lines: GRID_LINES },
      {
        title: "In the editor, in addition to the annotator's keys",
        lines: [...lines(true), ["Back to the grid", ["Esc Esc"]]],
      },
    ],
  );
}
