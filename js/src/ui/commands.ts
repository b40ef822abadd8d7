/** The commands of the annotator by their names in the `shortcuts` trait. A tool's command has the tool's name and activates it. */
import type { ImageDocument } from "../document";
import type { Fields } from "../kernel";
import { TOOLS } from "../tools";
import type { Tool } from "../tools/tool";
import type { Command } from "./command_set";
import type { AnnotatorHost } from "./host";
import { ICONS } from "./icons";

const readOnly = ({ doc }: AnnotatorHost) => doc.whyReadOnly;
const needsObject = ({ doc }: AnnotatorHost) =>
  doc.whyReadOnly || (doc.current?.outline ? "" : "No object with pixels is selected");
const needs = (condition: (view: AnnotatorHost) => unknown, otherwise: string) => (view: AnnotatorHost) =>
  needsObject(view) || (condition(view) ? "" : otherwise);

const needsImages = ({ doc }: AnnotatorHost) => (doc.image.count > 1 ? "" : "There is no other image");

/** A command that changes the document: it runs after the edits before it. */
const edit = (command: Command<AnnotatorHost>): Command<AnnotatorHost> => ({
  whyOff: needsObject,
  ...command,
  isEdit: true,
});
const imageChange = (command: Command<AnnotatorHost>): Command<AnnotatorHost> => ({
  ...command,
  isEdit: true,
  changesImage: true,
});

/** Go on to the next image, and follow objects into it if Python says so. */
async function goOn(doc: ImageDocument, op: "go" | "submit" | "skip", fields: Fields = {}) {
  if (await doc.changeImage(op, fields)) await takeFromPrevious(doc, "follow_previous");
}

/** Add objects of the previous image in one step, and say which. */
async function takeFromPrevious(doc: ImageDocument, op: "copy_previous" | "follow_previous") {
  const reply = await doc.kernel.run<{ message: string }>(op, { key: doc.image.key });
  if (reply) doc.say(reply.result.message);
}

const previousCommand = (op: "copy_previous" | "follow_previous", title: string): Command<AnnotatorHost> =>
  edit({
    title,
    run: ({ doc }) => takeFromPrevious(doc, op),
    whyOff: (view) => readOnly(view) || (view.doc.image.index > 0 ? "" : "This is the first image"),
  });

const activate = ({ name, hint, icon }: Tool): Command<AnnotatorHost> => ({
  title: ({ doc }) => `${doc.labelOf(name)}: ${hint}`,
  icon,
  run: ({ doc }) => doc.set("tool", name),
  whyOff: (view) => readOnly(view) || view.doc.whyToolOff(name),
  isPressed: ({ doc }) => doc.model.get("tool") === name,
});

export const COMMANDS: Record<string, Command<AnnotatorHost>> = {
  ...Object.fromEntries(Object.values(TOOLS).map((tool) => [tool.name, activate(tool)])),
  smaller: { title: "Smaller brush", run: (view) => view.scaleBrush(0.8), whyOff: readOnly },
  larger: { title: "Larger brush", run: (view) => view.scaleBrush(1.25), whyOff: readOnly },
  pressure: {
    title: "Scale the brush by the pen's pressure",
    icon: ICONS.pressure,
    run: (view) => view.setOptions({ pressure: !view.options.pressure }),
    whyOff: readOnly,
    isPressed: (view) => view.options.pressure,
  },
  undo: edit({
    title: "Undo",
    icon: ICONS.undo,
    run: ({ doc }) => doc.undo(),
    whyOff: (view) => readOnly(view) || (view.doc.canUndo ? "" : "There is nothing to undo"),
  }),
  redo: edit({
    title: "Redo",
    icon: ICONS.redo,
    run: ({ doc }) => doc.redo(),
    whyOff: (view) => readOnly(view) || (view.doc.canRedo ? "" : "There is nothing to redo"),
  }),
  finish: edit({
    title: "Finish object",
    icon: ICONS.finish,
    run: ({ doc }) => doc.apply({ type: "accept" }),
  }),
  submit: imageChange({
    title: ({ doc }) => {
      if (doc.model.get("_buttons").includes("submit")) return "Submit and go to the next image";
      return doc.image.count > 1 ? "Finish the object and go to the next image" : "Finish the object";
    },
    icon: ICONS.finish,
    run: ({ doc }) => goOn(doc, "submit"),
    whyOff: ({ doc }) => (doc.isLost ? doc.whyReadOnly : ""),
  }),
  skip: imageChange({
    title: "Skip this image",
    icon: ICONS.skip,
    run: ({ doc }) => goOn(doc, "skip"),
    whyOff: ({ doc }) => {
      if (doc.isLost) return doc.whyReadOnly;
      const isUseful = doc.image.count > 1 || doc.model.get("_buttons").includes("skip");
      return isUseful ? "" : "There is no other image";
    },
  }),
  delete_last: edit({
    title: "Delete the last object",
    icon: ICONS.backspace,
    run: ({ doc, objects }) => doc.apply({ type: "delete", instance: objects.newest?.id }),
    whyOff: (view) => readOnly(view) || (view.objects.newest ? "" : "There is no object"),
  }),
  delete: edit({
    title: "Delete the selected objects",
    icon: ICONS.delete,
    run: ({ objects }) => objects.delete(),
    whyOff: (view) => (view.objects.marked.size ? readOnly(view) : needsObject(view)),
  }),
  cancel: { title: "Cancel; twice: leave the widget", run: (view) => view.cancel() },
  alternative: edit({
    title: "Next larger suggestion (part / whole)",
    icon: ICONS.alternative,
    run: ({ doc }) => doc.apply({ type: "alternative", number: doc.alternatives.chosen + 1 }),
    whyOff: (view) => readOnly(view) || (view.doc.hasAlternatives ? "" : "The model has one suggestion"),
  }),
  previous_alternative: edit({
    title: "Next smaller suggestion",
    run: ({ doc }) => doc.apply({ type: "alternative", number: doc.alternatives.chosen - 1 }),
    whyOff: (view) => readOnly(view) || (view.doc.hasAlternatives ? "" : "The model has one suggestion"),
  }),
  lock: edit({
    title: "Protect manual edits from the model",
    icon: ICONS.lock,
    run: ({ doc }) => doc.apply({ type: "lock", on: !doc.locked }),
    whyOff: readOnly,
    isPressed: ({ doc }) => doc.locked,
  }),
  fill_holes: edit({
    title: "Fill holes",
    icon: ICONS.fill_holes,
    run: ({ doc }) => doc.apply({ type: "fill_holes" }),
  }),
  keep_largest: edit({
    title: "Keep the largest part",
    icon: ICONS.keep_largest,
    run: ({ doc }) => doc.apply({ type: "keep_largest" }),
  }),
  smooth: edit({
    title: "Smooth the border",
    icon: ICONS.smooth,
    run: ({ doc, options }) => doc.apply({ type: "smooth", radius: options.amount }),
  }),
  grow: edit({
    title: "Grow",
    icon: ICONS.grow,
    run: ({ doc, options }) => doc.apply({ type: "grow", pixels: options.amount }),
  }),
  shrink: edit({
    title: "Shrink",
    icon: ICONS.shrink,
    run: ({ doc, options }) => doc.apply({ type: "shrink", pixels: options.amount }),
  }),
  snap: edit({
    title: "Snap to neighboring objects",
    icon: ICONS.snap,
    run: ({ doc, options }) => doc.apply({ type: "snap", distance: options.amount }),
    whyOff: needs(({ objects }) => objects.drawn.length > 1, "There is no other object"),
  }),
  new: edit({
    title: "New object",
    icon: ICONS.plus,
    run: ({ doc }) => doc.apply({ type: "select", instance: null }),
    whyOff: (view) => readOnly(view) || (view.doc.current?.outline ? "" : "A new object is selected already"),
  }),
  duplicate: edit({
    title: "Duplicate the object",
    icon: ICONS.duplicate,
    run: ({ doc }) => doc.apply({ type: "duplicate" }),
  }),
  copy_previous: previousCommand("copy_previous", "Copy the objects of the previous image"),
  follow_previous: previousCommand("follow_previous", "Follow the objects of the previous image"),
  following: {
    title: "Follow objects into the next images",
    icon: ICONS.following,
    run: ({ doc }) => doc.set("following", !doc.model.get("following")),
    whyOff: (view) => readOnly(view) || needsImages(view),
    isPressed: ({ doc }) => doc.model.get("following"),
  },
  similar: {
    title: "Find objects like the selected ones, or those of the class under the pointer",
    icon: ICONS.similar,
    run: ({ similar, objects, pointedClass }) => similar.search(objects.targets, pointedClass()),
    whyOff: (view) => (view.pointedClass() === null ? needsObject(view) : readOnly(view)),
    isPressed: ({ similar }) => similar.isOpen,
  },
  merge: edit({
    title: "Merge the selected objects",
    icon: ICONS.merge,
    run: ({ objects }) => objects.merge(),
    whyOff: needs(({ objects }) => objects.marked.size, "Select more objects first: Ctrl+click in the list"),
  }),
  split: edit({
    title: "Split into its parts",
    icon: ICONS.split,
    run: ({ doc }) => doc.apply({ type: "split" }),
  }),
  classes: {
    title: "Find a class by name",
    icon: ICONS.search,
    run: (view) => view.pickClass(),
    whyOff: readOnly,
  },
  rename: {
    title: "Change the class of the object",
    icon: ICONS.rename,
    run: (view) => view.pickClass(),
    whyOff: readOnly,
  },
  select_all: edit({
    title: "Select all objects",
    run: ({ objects }) => objects.markAll(objects.drawn),
    whyOff: (view) => readOnly(view) || (view.objects.drawn.length ? "" : "There is no object"),
  }),
  forward: edit({
    title: "Bring the object forward",
    icon: ICONS.forward,
    run: ({ doc, objects }) => objects.reorder(doc.selected, 1),
    whyOff: needs(({ doc, objects }) => objects.canReorder(doc.selected, 1), "It is in front of all others"),
  }),
  backward: edit({
    title: "Send the object backward",
    icon: ICONS.backward,
    run: ({ doc, objects }) => objects.reorder(doc.selected, -1),
    whyOff: needs(({ doc, objects }) => objects.canReorder(doc.selected, -1), "It is behind all others"),
  }),
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
  names: {
    title: "Show the names of all objects",
    icon: ICONS.names,
    run: (view) => view.setModes({ naming: !view.modes.naming }),
    isPressed: (view) => view.modes.naming,
  },
  on_white: {
    title: "Show the objects cut out, on white",
    icon: ICONS.on_white,
    run: (view) => view.setModes({ onWhite: !view.modes.onWhite }),
    isPressed: (view) => view.modes.onWhite,
  },
  color_by_object: {
    title: "Color each object differently instead of by class",
    icon: ICONS.color_by_object,
    run: (view) => view.setModes({ coloringObjects: !view.modes.coloringObjects }),
    isPressed: (view) => view.modes.coloringObjects,
  },
  preview: {
    title: "Preview the effect of a click while the pointer rests",
    icon: ICONS.preview,
    run: (view) => view.setModes({ previewing: !view.modes.previewing }),
    whyOff: readOnly,
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
  previous: imageChange({
    title: "Previous image",
    icon: ICONS.previous,
    run: ({ doc }) => doc.changeImage("go", { step: -1 }),
    whyOff: ({ doc }) => (doc.image.index > 0 ? "" : "This is the first image"),
  }),
  next: imageChange({
    title: "Next image",
    icon: ICONS.next,
    run: ({ doc }) => goOn(doc, "go", { step: 1 }),
    whyOff: ({ doc }) => (doc.image.index + 1 < doc.image.count ? "" : "This is the last image"),
  }),
  goto: {
    title: "Go to an image by its number",
    run: (view) => view.askImage(),
    whyOff: needsImages,
  },
  filmstrip: {
    title: "Show the images as small pictures",
    icon: ICONS.filmstrip,
    run: (view) => view.setModes({ filmstrip: !view.modes.filmstrip }),
    whyOff: needsImages,
    isPressed: (view) => view.modes.filmstrip,
  },
  next_unlabeled: imageChange({
    title: "Next image without objects",
    icon: ICONS.next_unlabeled,
    run: ({ doc }) => doc.changeImage("goto", { index: null }),
    whyOff: needsImages,
  }),
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
