/** Everything a key or a button can do, by the names that the `shortcuts` trait uses. */
import type { View } from "./view";

export interface Command {
  title: string;
  icon?: string;
  run(view: View): void;
  enabled?(view: View): boolean;
  pressed?(view: View): boolean;
  held?(view: View, down: boolean): void; // for as long as the key is down, instead of run
}

const edits = (view: View) => view.doc.editable;
const started = (view: View) => edits(view) && !!view.doc.current?.outline;

export const COMMANDS: Record<string, Command> = {
  undo: { title: "Undo", icon: "undo", run: (v) => v.doc.send("undo"), enabled: (v) => edits(v) && v.doc.model.get("can_undo") },
  redo: { title: "Redo", icon: "redo", run: (v) => v.doc.send("redo"), enabled: (v) => edits(v) && v.doc.model.get("can_redo") },
  finish: { title: "Finish object", icon: "finish", run: (v) => v.doc.apply({ type: "accept" }), enabled: started },
  delete_last: {
    title: "Delete the last object", icon: "delete",
    run: (v) => v.deleteLast(), enabled: (v) => edits(v) && v.last !== undefined,
  },
  delete: { title: "Delete the selected object", run: (v) => v.doc.apply({ type: "delete" }), enabled: started },
  cancel: { title: "Cancel, or leave the widget", run: (v) => v.cancel() },
  peek: {
    title: "Show the image without masks", icon: "eye",
    run: (v) => v.set({ peeking: !v.peeking }), held: (v, down) => v.set({ peeking: down }), pressed: (v) => v.peeking,
  },
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
