/** The commands of the gallery by their names in the `shortcuts` trait. */
import type { Command as BaseCommand } from "../ui/command_set";
import { ICONS } from "../ui/icons";
import { listsImages } from "./filters";
import type { GalleryHost } from "./host";

/** where: in the grid, or in the editor, where it is added to the annotator's commands. */
export interface Command extends BaseCommand<GalleryHost> {
  where: "grid" | "editor" | "both";
}

const hasTargets = ({ queue, targets }: GalleryHost) => queue.isEditable && targets.length > 0;
const isEditorReady = ({ queue }: GalleryHost) => !queue.isLost && queue.editor.open !== null && !queue.editor.isBusy;
const canDecide = (view: GalleryHost) => isEditorReady(view) && view.queue.isEditable;

export const COMMANDS: Record<string, Command> = {
  accept: {
    where: "grid",
    title: "Accept",
    icon: ICONS.finish,
    run: (view) => view.setStatus("accepted"),
    isEnabled: hasTargets,
  },
  reject: {
    where: "grid",
    title: "Reject",
    icon: ICONS.close,
    run: (view) => view.setStatus("rejected"),
    isEnabled: hasTargets,
  },
  skip: {
    where: "grid",
    title: "Skip: decide later",
    icon: ICONS.skip,
    run: (view) => view.setStatus("skipped"),
    isEnabled: hasTargets,
  },
  label: {
    where: "grid",
    title: "Set the class of the selected",
    icon: ICONS.names,
    run: (view) => view.assign("label"),
    isEnabled: (view) => hasTargets(view) && !listsImages(view.queue.model),
  },
  add_tag: {
    where: "grid",
    title: "Tag the images of the selected",
    icon: ICONS.tag,
    run: (view) => view.assign("add_tag"),
    isEnabled: hasTargets,
  },
  attribute: {
    where: "grid",
    title: "Set an attribute of the selected",
    icon: ICONS.attribute,
    run: (view) => view.assign("attribute"),
    isEnabled: (view) => hasTargets(view) && !listsImages(view.queue.model),
  },
  undo: {
    where: "grid",
    title: "Undo the last step",
    icon: ICONS.undo,
    run: (view) => void view.undo(),
    isEnabled: ({ queue }) => queue.isEditable,
  },
  edit: {
    where: "grid",
    title: "Edit",
    icon: ICONS.rename,
    run: (view) => view.edit(view.focus),
    isEnabled: ({ queue, row }) => !queue.isLost && row !== undefined,
  },
  select: {
    where: "grid",
    title: "Select / deselect",
    run: (view) => view.toggle(view.focus),
    isEnabled: ({ row }) => row !== undefined,
  },
  select_all: {
    where: "grid",
    title: "Select all",
    run: (view) => void view.selectAll(),
    isEnabled: ({ queue }) => queue.rows.count > 0,
  },
  cancel: { where: "grid", title: "Clear the selection, or leave the widget", run: (view) => view.cancel() },
  heat: {
    where: "grid",
    title: "Show heatmaps of suspect pixels",
    icon: ICONS.heat,
    run: (view) => view.setModes({ heating: !view.modes.heating }),
    isPressed: (view) => view.modes.heating,
  },
  peek: {
    where: "grid",
    title: "Show the images without masks",
    icon: ICONS.eye,
    run: (view) => view.setModes({ bare: !view.modes.bare }),
    hold: (view, down) => view.setModes({ bare: down }),
    isPressed: (view) => view.modes.bare,
  },
  refresh: {
    where: "grid",
    title: "Refresh",
    icon: ICONS.refresh,
    run: ({ queue }) => void queue.refresh(),
    isEnabled: ({ queue }) => !queue.isLost,
  },
  search: { where: "grid", title: "Search names and labels", icon: ICONS.search, run: (view) => view.search() },
  accept_edit: {
    where: "editor",
    title: "Accept & next",
    icon: ICONS.finish,
    run: ({ queue }) => void queue.editor.decide("accept"),
    isEnabled: canDecide,
  },
  reject_edit: {
    where: "editor",
    title: "Reject & next",
    icon: ICONS.close,
    run: ({ queue }) => void queue.editor.decide("reject"),
    isEnabled: canDecide,
  },
  skip_edit: {
    where: "editor",
    title: "Skip: decide later",
    icon: ICONS.skip,
    run: ({ queue }) => void queue.editor.decide("skip"),
    isEnabled: canDecide,
  },
  next: {
    where: "editor",
    title: "Next without deciding",
    icon: ICONS.next,
    run: ({ queue }) => void queue.editor.step(1),
    isEnabled: isEditorReady,
  },
  previous: {
    where: "editor",
    title: "Previous without deciding",
    icon: ICONS.previous,
    run: ({ queue }) => void queue.editor.step(-1),
    isEnabled: isEditorReady,
  },
  back: {
    where: "editor",
    title: "Back to the grid",
    icon: ICONS.tiles,
    run: ({ queue }) => void queue.editor.close(),
    isEnabled: ({ queue }) => !queue.editor.isBusy,
  },
  fullscreen: {
    where: "both",
    title: "Full screen",
    icon: ICONS.fullscreen,
    run: (view) => view.screen.toggle(),
    isPressed: (view) => view.screen.isOn,
  },
  help: {
    where: "grid",
    title: "All keys",
    icon: ICONS.help,
    run: (view) => view.setModes({ helping: !view.modes.helping }),
    isPressed: (view) => view.modes.helping,
  },
};
