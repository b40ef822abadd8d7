/** Everything a key or a button can do, by the names that the `shortcuts` trait uses. Taking up a tool is a command of the tool's name. */
import { TOOLS } from "./tools";
import type { View } from "./view";

export interface Command<V = View> {
  title: string;
  icon?: string;
  run(view: V): void;
  enabled?(view: V): boolean;
  pressed?(view: V): boolean;
  held?(view: V, down: boolean): void; // for as long as the key is down, instead of run
}

const edits = (view: View) => view.doc.editable;
const started = (view: View) => edits(view) && !!view.doc.current?.outline;

const take = ({ id, title }: { id: string; title: string }): Command => ({
  title, icon: id, run: (v) => v.write("tool", id), enabled: edits, pressed: (v) => v.doc.model.get("tool") === id,
});

export const COMMANDS: Record<string, Command> = {
  ...Object.fromEntries(Object.values(TOOLS).map((tool) => [tool.id, take(tool)])),
  smaller: { title: "Smaller brush", run: (v) => v.scaleBrush(0.8), enabled: edits },
  larger: { title: "Larger brush", run: (v) => v.scaleBrush(1.25), enabled: edits },
  pressure: {
    title: "A pen's pressure makes the brush smaller", icon: "pressure",
    run: (v) => v.setOptions({ pressure: !v.options.pressure }), enabled: edits, pressed: (v) => v.options.pressure,
  },
  undo: { title: "Undo", icon: "undo", run: (v) => v.doc.send("undo"), enabled: (v) => edits(v) && v.doc.model.get("can_undo") },
  redo: { title: "Redo", icon: "redo", run: (v) => v.doc.send("redo"), enabled: (v) => edits(v) && v.doc.model.get("can_redo") },
  finish: { title: "Finish object", icon: "finish", run: (v) => v.doc.apply({ type: "accept" }), enabled: started },
  delete_last: {
    title: "Delete the last object", icon: "delete",
    run: (v) => v.deleteLast(), enabled: (v) => edits(v) && v.last !== undefined,
  },
  delete: { title: "Delete the selected object", icon: "delete", run: (v) => v.doc.apply({ type: "delete" }), enabled: started },
  cancel: { title: "Cancel, or leave the widget", run: (v) => v.cancel() },
  alternative: {
    title: "Next answer of the model: part or whole", icon: "alternative",
    run: (v) => v.doc.apply({ type: "alternative", number: v.doc.alternatives.chosen + 1 }), enabled: (v) => edits(v) && v.doc.otherAnswers,
  },
  lock: {
    title: "Lock my pixels: the model leaves what the hand has drawn", icon: "lock",
    run: (v) => v.doc.apply({ type: "lock", on: !v.doc.locked }), enabled: edits, pressed: (v) => v.doc.locked,
  },
  fill_holes: { title: "Fill holes", icon: "fill_holes", run: (v) => v.doc.apply({ type: "fill_holes" }), enabled: started },
  keep_largest: { title: "Keep the largest part", icon: "keep_largest", run: (v) => v.doc.apply({ type: "keep_largest" }), enabled: started },
  smooth: { title: "Smooth the border", icon: "smooth", run: (v) => v.doc.apply({ type: "smooth", radius: v.options.amount }), enabled: started },
  grow: { title: "Grow", icon: "grow", run: (v) => v.doc.apply({ type: "grow", pixels: v.options.amount }), enabled: started },
  shrink: { title: "Shrink", icon: "shrink", run: (v) => v.doc.apply({ type: "shrink", pixels: v.options.amount }), enabled: started },
  snap: {
    title: "Snap the border to the neighbours'", icon: "snap",
    run: (v) => v.doc.apply({ type: "snap", distance: v.options.amount }), enabled: (v) => started(v) && v.drawn.length > 1,
  },
  new: { title: "New object", icon: "plus", run: (v) => v.doc.apply({ type: "select", instance: null }), enabled: started },
  duplicate: { title: "Duplicate the object", icon: "duplicate", run: (v) => v.doc.apply({ type: "duplicate" }), enabled: started },
  merge: {
    title: "Merge with the objects chosen by Ctrl+click", icon: "merge", run: (v) => void v.merge(), enabled: (v) => started(v) && v.marked.size > 0,
  },
  split: { title: "Split into its parts", icon: "split", run: (v) => v.doc.apply({ type: "split" }), enabled: started },
  rename: { title: "Rename the object", icon: "rename", run: (v) => v.rename(v.doc.selected), enabled: (v) => edits(v) && !!v.doc.current },
  forward: { title: "Bring the object forward", icon: "forward", run: (v) => v.reorder(v.doc.selected, 1), enabled: (v) => started(v) && v.canReorder(v.doc.selected, 1) },
  backward: { title: "Send the object back", icon: "backward", run: (v) => v.reorder(v.doc.selected, -1), enabled: (v) => started(v) && v.canReorder(v.doc.selected, -1) },
  peek: {
    title: "Show the image without masks", icon: "eye",
    run: (v) => v.set({ peeking: !v.peeking }), held: (v, down) => v.set({ peeking: down }), pressed: (v) => v.peeking,
  },
  sources: { title: "Colour pixels by where they come from", icon: "sources", run: (v) => v.set({ tracing: !v.tracing }), pressed: (v) => v.tracing },
  preview: {
    title: "Preview what a click would do", icon: "preview",
    run: (v) => v.set({ previewing: !v.previewing }), enabled: edits, pressed: (v) => v.previewing,
  },
  pan: { title: "Move the image (also middle drag)", run: () => {}, held: (v, down) => v.viewer.holdPan(down) },
  fit: { title: "Fit the image", run: (v) => v.viewer.fit() },
  zoom_in: { title: "Zoom in", icon: "zoom_in", run: (v) => v.viewer.zoom(1.25) },
  zoom_out: { title: "Zoom out", icon: "zoom_out", run: (v) => v.viewer.zoom(0.8) },
  previous: {
    title: "Previous image", icon: "previous",
    run: (v) => v.doc.turn("go", { step: -1 }), enabled: (v) => v.doc.image.index > 0,
  },
  next: {
    title: "Next image", icon: "next",
    run: (v) => v.doc.turn("go", { step: 1 }), enabled: (v) => v.doc.image.index + 1 < v.doc.image.count,
  },
  fullscreen: { title: "Full screen", icon: "fullscreen", run: (v) => v.toggleFullscreen(), pressed: (v) => v.isFullscreen },
  help: { title: "All keys", icon: "help", run: (v) => v.set({ helping: !v.helping }), pressed: (v) => v.helping },
};
