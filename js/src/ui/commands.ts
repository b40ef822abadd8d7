/** The commands of the annotator by their names in the `shortcuts` trait. A tool's command has the tool's name and activates it. */
import { TOOLS } from "../tools";
import type { Tool } from "../tools/tool";
import type { Command } from "./command_set";
import type { AnnotatorHost } from "./host";
import { ICONS } from "./icons";

const isEditable = ({ doc }: AnnotatorHost) => doc.isEditable;
const hasObject = ({ doc }: AnnotatorHost) => doc.isEditable && !!doc.current?.outline;

const activate = ({ name, hint, icon }: Tool): Command<AnnotatorHost> => ({
  title: ({ doc }) => `${doc.labelOf(name)}: ${hint}`,
  icon,
  run: ({ doc }) => doc.set("tool", name),
  isEnabled: isEditable,
  isPressed: ({ doc }) => doc.model.get("tool") === name,
});

export const COMMANDS: Record<string, Command<AnnotatorHost>> = {
  ...Object.fromEntries(Object.values(TOOLS).map((tool) => [tool.name, activate(tool)])),
  smaller: { title: "Smaller brush", run: (view) => view.scaleBrush(0.8), isEnabled: isEditable },
  larger: { title: "Larger brush", run: (view) => view.scaleBrush(1.25), isEnabled: isEditable },
  pressure: {
    title: "Scale the brush by the pen's pressure",
    icon: ICONS.pressure,
    run: (view) => view.setOptions({ pressure: !view.options.pressure }),
    isEnabled: isEditable,
    isPressed: (view) => view.options.pressure,
  },
  undo: {
    title: "Undo",
    icon: ICONS.undo,
    run: ({ doc }) => doc.kernel.run("undo"),
    isEnabled: ({ doc }) => doc.isEditable && doc.model.get("can_undo"),
  },
  redo: {
    title: "Redo",
    icon: ICONS.redo,
    run: ({ doc }) => doc.kernel.run("redo"),
    isEnabled: ({ doc }) => doc.isEditable && doc.model.get("can_redo"),
  },
  finish: {
    title: "Finish object",
    icon: ICONS.finish,
    run: ({ doc }) => doc.apply({ type: "accept" }),
    isEnabled: hasObject,
  },
  delete_last: {
    title: "Delete the last object",
    icon: ICONS.delete,
    run: (view) => view.deleteNewest(),
    isEnabled: (view) => view.doc.isEditable && view.newest !== undefined,
  },
  delete: {
    title: "Delete the selected object",
    icon: ICONS.delete,
    run: ({ doc }) => doc.apply({ type: "delete" }),
    isEnabled: hasObject,
  },
  cancel: { title: "Cancel, or leave the widget", run: (view) => view.cancel() },
  alternative: {
    title: "Next larger suggestion (part / whole)",
    icon: ICONS.alternative,
    run: ({ doc }) => doc.apply({ type: "alternative", number: doc.alternatives.chosen + 1 }),
    isEnabled: ({ doc }) => doc.isEditable && doc.hasAlternatives,
  },
  previous_alternative: {
    title: "Next smaller suggestion",
    run: ({ doc }) => doc.apply({ type: "alternative", number: doc.alternatives.chosen - 1 }),
    isEnabled: ({ doc }) => doc.isEditable && doc.hasAlternatives,
  },
  lock: {
    title: "Protect manual edits from the model",
    icon: ICONS.lock,
    run: ({ doc }) => doc.apply({ type: "lock", on: !doc.locked }),
    isEnabled: isEditable,
    isPressed: ({ doc }) => doc.locked,
  },
  fill_holes: {
    title: "Fill holes",
    icon: ICONS.fill_holes,
    run: ({ doc }) => doc.apply({ type: "fill_holes" }),
    isEnabled: hasObject,
  },
  keep_largest: {
    title: "Keep the largest part",
    icon: ICONS.keep_largest,
    run: ({ doc }) => doc.apply({ type: "keep_largest" }),
    isEnabled: hasObject,
  },
  smooth: {
    title: "Smooth the border",
    icon: ICONS.smooth,
    run: ({ doc, options }) => doc.apply({ type: "smooth", radius: options.amount }),
    isEnabled: hasObject,
  },
  grow: {
    title: "Grow",
    icon: ICONS.grow,
    run: ({ doc, options }) => doc.apply({ type: "grow", pixels: options.amount }),
    isEnabled: hasObject,
  },
  shrink: {
    title: "Shrink",
    icon: ICONS.shrink,
    run: ({ doc, options }) => doc.apply({ type: "shrink", pixels: options.amount }),
    isEnabled: hasObject,
  },
  snap: {
    title: "Snap to neighboring objects",
    icon: ICONS.snap,
    run: ({ doc, options }) => doc.apply({ type: "snap", distance: options.amount }),
    isEnabled: (view) => hasObject(view) && view.drawn.length > 1,
  },
  new: {
    title: "New object",
    icon: ICONS.plus,
    run: ({ doc }) => doc.apply({ type: "select", instance: null }),
    isEnabled: hasObject,
  },
  duplicate: {
    title: "Duplicate the object",
    icon: ICONS.duplicate,
    run: ({ doc }) => doc.apply({ type: "duplicate" }),
    isEnabled: hasObject,
  },
  merge: {
    title: "Merge with the objects selected by Ctrl+click",
    icon: ICONS.merge,
    run: (view) => void view.mergeMarked(),
    isEnabled: (view) => hasObject(view) && view.marked.size > 0,
  },
  split: {
    title: "Split into its parts",
    icon: ICONS.split,
    run: ({ doc }) => doc.apply({ type: "split" }),
    isEnabled: hasObject,
  },
  rename: {
    title: "Rename the object",
    icon: ICONS.rename,
    run: (view) => view.rename(view.doc.selected),
    isEnabled: ({ doc }) => doc.isEditable && !!doc.current,
  },
  forward: {
    title: "Bring the object forward",
    icon: ICONS.forward,
    run: (view) => view.reorder(view.doc.selected, 1),
    isEnabled: (view) => hasObject(view) && view.canReorder(view.doc.selected, 1),
  },
  backward: {
    title: "Send the object backward",
    icon: ICONS.backward,
    run: (view) => view.reorder(view.doc.selected, -1),
    isEnabled: (view) => hasObject(view) && view.canReorder(view.doc.selected, -1),
  },
  peek: {
    title: "Show the image without masks",
    icon: ICONS.eye,
    run: (view) => view.setModes({ peeking: !view.modes.peeking }),
    hold: (view, down) => view.setModes({ peeking: down }),
    isPressed: (view) => view.modes.peeking,
  },
  sources: {
    title: "Color pixels by their source",
    icon: ICONS.sources,
    run: (view) => view.setModes({ tracing: !view.modes.tracing }),
    isPressed: (view) => view.modes.tracing,
  },
  preview: {
    title: "Preview the effect of a click",
    icon: ICONS.preview,
    run: (view) => view.setModes({ previewing: !view.modes.previewing }),
    isEnabled: isEditable,
    isPressed: (view) => view.modes.previewing,
  },
  pan: {
    title: "Move the image (also middle drag)",
    run: () => {},
    hold: ({ viewer }, down) => viewer.holdPan(down),
  },
  fit: { title: "Fit the image", run: ({ viewer }) => viewer.fit() },
  zoom_in: { title: "Zoom in", icon: ICONS.zoom_in, run: ({ viewer }) => viewer.zoom(1.25) },
  zoom_out: { title: "Zoom out", icon: ICONS.zoom_out, run: ({ viewer }) => viewer.zoom(0.8) },
  previous: {
    title: "Previous image",
    icon: ICONS.previous,
    run: ({ doc }) => doc.changeImage("go", { step: -1 }),
    isEnabled: ({ doc }) => doc.image.index > 0,
  },
  next: {
    title: "Next image",
    icon: ICONS.next,
    run: ({ doc }) => doc.changeImage("go", { step: 1 }),
    isEnabled: ({ doc }) => doc.image.index + 1 < doc.image.count,
  },
  fullscreen: {
    title: "Full screen",
    icon: ICONS.fullscreen,
    run: (view) => view.toggleFullscreen(),
    isPressed: (view) => view.isFullscreen,
  },
  help: {
    title: "All keys",
    icon: ICONS.help,
    run: (view) => view.setModes({ helping: !view.modes.helping }),
    isPressed: (view) => view.modes.helping,
  },
};
