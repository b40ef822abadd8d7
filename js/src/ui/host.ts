/** The parts of the annotator, and the members of its view that they use. Each part declares the few interfaces that it needs. */
import type { ImageDocument } from "../document";
import type { Instance } from "../instance";
import type { ObjectSelection } from "../object_selection";
import type { SimilarObjects } from "../similar";
import type { ToolSettings } from "../tools/tool";
import type { Viewer } from "../viewer";
import type { CommandRunner } from "./command_set";

/** A piece of the interface: `refresh` writes the current state into its element. */
export interface Part {
  element: HTMLElement;
  refresh(): void;
}

/** The surroundings of an annotator that is embedded in another widget. */
export interface Frame {
  readonly isFullscreen: boolean;
  toggleFullscreen(): void;
  leave(): void; // Escape with nothing left to cancel
}

/** Options of the tools in one view; the sizes brush_size, tolerance and superpixels are traits in Python instead. */
export interface ViewOptions extends Pick<ToolSettings, "add" | "straight" | "pressure"> {
  amount: number; // image pixels for smooth, grow, shrink and snap
}

/** States of a view that are on or off. */
export interface Modes {
  peeking: boolean; // the image is shown without masks
  previewing: boolean; // the effect of a click is shown while the pointer rests
  tracing: boolean; // pixels are colored by their source
  helping: boolean; // the help sheet is open
  naming: boolean; // the names of all objects are over the image
  coloringObjects: boolean; // objects of one class have different colors
  onWhite: boolean; // only the objects are shown, on white
  filmstrip: boolean; // the images of a list are shown as small pictures
}

/** How a view shows the image. */
export interface Display {
  brightness: number; // factor, 1: unchanged
  contrast: number; // factor, 1: unchanged
  channel: "color" | "gray" | "red" | "green" | "blue"; // a single channel is shown in gray
  sharp: boolean; // show pixels as squares at every zoom
  grid: boolean; // show lines between large pixels
}

export interface DocumentHost {
  readonly doc: ImageDocument;
}

export interface CommandHost {
  readonly commands: CommandRunner;
}

export interface StageHost {
  readonly viewer: Viewer;
}

export interface ModeHost {
  readonly modes: Readonly<Modes>;
  setModes(change: Partial<Modes>): void;
}

export interface OptionHost {
  readonly options: Readonly<ViewOptions>;
  setOptions(change: Partial<ViewOptions>): void;
}

export interface DisplayHost {
  readonly display: Readonly<Display>;
  setDisplay(change: Partial<Display>): void;
}

/** The proposals of objects like the selected ones or those of a class. */
export interface SimilarHost {
  readonly similar: SimilarObjects;
  readonly pointedClass: () => string | null; // the class whose chip is under the pointer or has the focus
}

export interface FocusHost {
  focus(): void;
}

/** The class palette's view of the objects. */
export interface LabelHost {
  setLabel(label: string, targets?: number[]): void;
  pickClass(targets?: number[]): void; // opens the list of classes for these objects, by default the selected ones
  color(instance: Pick<Instance, "id" | "label">): string;
}

/** The object list's view of the objects. */
export interface ObjectHost extends LabelHost {
  readonly objects: ObjectSelection;
  highlight(id: number | null): void;
  refresh(): void;
}

/** The members that the commands of the annotator use. */
export interface AnnotatorHost extends DocumentHost, StageHost, ModeHost, OptionHost, SimilarHost {
  readonly objects: ObjectSelection;
  readonly isFullscreen: boolean;
  toggleFullscreen(): void;
  scaleBrush(factor: number): void;
  pickClass(): void;
  askImage(): void; // opens the field for the number of an image
  cancel(): void;
}
