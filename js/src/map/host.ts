/** The members of the map's view that its parts use. Each part declares the few interfaces that it needs. */
import type { FullScreen } from "../dom";
import type { CommandRunner } from "../ui/command_set";
import type { Points, SelectionMode } from "./points";

export interface PointsHost {
  readonly points: Points;
}

export interface MapCommandHost {
  readonly commands: CommandRunner;
}

export interface SelectionHost {
  readonly isEditable: boolean;
  selectionModeOf(event: Pick<MouseEvent, "shiftKey" | "altKey">): SelectionMode;
  clear(): void;
}

export interface HelpHost {
  readonly isHelping: boolean;
  setHelping(on: boolean): void;
}

/** The use of the map, which decides whether the hint is shown. */
export interface UsageHost {
  readonly isDrawing: boolean;
  readonly wasUsed: boolean;
}

/** The members that the commands of the map use. */
export interface MapHost extends PointsHost, SelectionHost, HelpHost {
  readonly screen: FullScreen;
  zoom(factor: number): void;
  fit(): void;
  holdPan(isHeld: boolean): void;
}
