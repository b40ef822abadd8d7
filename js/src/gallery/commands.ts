/** Everything a key or a button can do in a gallery, by the names that the `shortcuts` trait uses. */
import type { Command as Does } from "../commands";
import type { GalleryView } from "./view";

/** where: over the tiles, or in the editor, whose own keys are the annotator's. */
export interface Command extends Does<GalleryView> { where: "grid" | "editor" | "both" }

const edits = (v: GalleryView) => v.queue.editable;
const hasTile = (v: GalleryView) => edits(v) && v.targets.length > 0;
const decides = (v: GalleryView) => edits(v) && v.queue.repair.open !== null && !v.queue.repair.deciding;
const walks = (v: GalleryView) => !v.queue.dead && v.queue.repair.open !== null && !v.queue.repair.deciding;

export const COMMANDS: Record<string, Command> = {
  accept: { where: "grid", title: "Accept", icon: "finish", run: (v) => v.judge("accepted"), enabled: hasTile },
  reject: { where: "grid", title: "Reject", icon: "close", run: (v) => v.judge("rejected"), enabled: hasTile },
  skip: { where: "grid", title: "Skip: decide later", icon: "skip", run: (v) => v.judge("skipped"), enabled: hasTile },
  undo: { where: "grid", title: "Undo the last verdict", icon: "undo", run: (v) => void v.undo(), enabled: edits },
  edit: { where: "grid", title: "Edit", icon: "rename", run: (v) => v.edit(v.focus), enabled: (v) => !v.queue.dead && v.row !== undefined },
  select: { where: "grid", title: "Select, or no longer", run: (v) => v.toggle(v.focus), enabled: (v) => v.row !== undefined },
  select_all: { where: "grid", title: "Select all", run: (v) => void v.selectAll(), enabled: (v) => v.queue.rows.count > 0 },
  cancel: { where: "grid", title: "Clear the selection, or leave the widget", run: (v) => v.cancel() },
  heat: { where: "grid", title: "Show on all tiles where it looks wrong", icon: "heat", run: (v) => v.set({ heating: !v.heating }), pressed: (v) => v.heating },
  peek: {
    where: "grid", title: "Show the images without masks", icon: "eye",
    run: (v) => v.set({ bare: !v.bare }), held: (v, down) => v.set({ bare: down }), pressed: (v) => v.bare,
  },
  refresh: { where: "grid", title: "Ask for the list anew", icon: "refresh", run: (v) => void v.queue.send("refresh"), enabled: (v) => !v.queue.dead },
  search: { where: "grid", title: "Search in names and labels", icon: "search", run: (v) => v.search() },
  accept_edit: { where: "editor", title: "Accept and go on to the next", icon: "finish", run: (v) => void v.queue.repair.decide("accept"), enabled: decides },
  reject_edit: { where: "editor", title: "Reject and go on to the next", icon: "close", run: (v) => void v.queue.repair.decide("reject"), enabled: decides },
  skip_edit: { where: "editor", title: "Skip: decide later", icon: "skip", run: (v) => void v.queue.repair.decide("skip"), enabled: decides },
  next: { where: "editor", title: "The next one, without a verdict", icon: "next", run: (v) => void v.queue.repair.step(1), enabled: walks },
  previous: { where: "editor", title: "The one before, without a verdict", icon: "previous", run: (v) => void v.queue.repair.step(-1), enabled: walks },
  back: { where: "editor", title: "Back to the tiles", icon: "tiles", run: (v) => void v.queue.repair.close(), enabled: (v) => !v.queue.repair.deciding },
  fullscreen: { where: "both", title: "Full screen", icon: "fullscreen", run: (v) => v.screen.toggle(), pressed: (v) => v.screen.isFull },
  help: { where: "grid", title: "All keys", icon: "help", run: (v) => v.set({ helping: !v.helping }), pressed: (v) => v.helping },
};
