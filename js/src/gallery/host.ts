/** The members of the gallery's view that its parts use. Each part declares the few interfaces that it needs. */
import type { FullScreen } from "../dom";
import type { FindModel } from "../kernel";
import type { CommandRunner } from "../ui/command_set";
import type { Queue } from "./queue";
import type { Row, Status } from "./rows";
import type { TileContent } from "./tile";

/** States of a view that are on or off. */
export interface GalleryModes {
  bare: boolean; // pictures without masks
  heating: boolean; // all tiles show their heatmap
  helping: boolean; // the help sheet is open
}

/** The panels that change the chosen instances. */
export type PanelName = "label" | "attribute" | "add_tag";

export interface QueueHost {
  readonly queue: Queue;
}

export interface GalleryCommandHost {
  readonly commands: CommandRunner;
}

export interface LabelColorHost {
  color(label: string): string;
}

export interface FocusedRowHost {
  readonly focus: number; // index of the focused tile
  readonly row: Row | undefined; // row of the focused tile
}

export interface GalleryModeHost {
  readonly modes: Readonly<GalleryModes>;
  setModes(change: Partial<GalleryModes>): void;
}

export interface TargetHost {
  readonly targets: number[]; // ids of the instances that a decision is about
}

export interface FocusTarget {
  takeFocus(): void;
}

/** The grid's view of the gallery. */
export interface GridHost extends QueueHost, GalleryCommandHost, FocusedRowHost {
  contentOf(index: number): TileContent;
  go(index: number): void;
  toggle(index: number): void;
  extend(index: number): Promise<void>;
  edit(index: number): void;
}

/** The editor's view of the gallery. */
export interface EditorHost extends QueueHost, GalleryCommandHost, LabelColorHost {
  readonly screen: FullScreen;
  readonly findModel: FindModel | null;
  readonly hasFocus: boolean;
  commandOf(event: KeyboardEvent): string | undefined;
  onEditorToggle(hadFocus: boolean): void;
}

/** The members that the commands of the gallery use. */
export interface GalleryHost extends QueueHost, FocusedRowHost, GalleryModeHost, TargetHost {
  readonly screen: FullScreen;
  setStatus(status: Status): void;
  undo(): Promise<void>;
  edit(index: number): void;
  toggle(index: number): void;
  selectAll(): Promise<void>;
  search(): void;
  assign(panel: PanelName): void;
  cancel(): void;
}
