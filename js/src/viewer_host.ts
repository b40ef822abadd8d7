import type { ImageDocument } from "./document";
import type { Instance } from "./instance";
import type { PixelStyle } from "./layers";
import type { Proposal } from "./similar";
import type { Tag } from "./tags";
import type { ToolSettings } from "./tools/tool";

/** The members of the view that the stage uses. */
export interface ViewerHost {
  readonly doc: ImageDocument;
  readonly hidden: Set<number>;
  readonly modes: { readonly peeking: boolean; readonly previewing: boolean; readonly onWhite: boolean };
  readonly wheelZooms: boolean;
  readonly options: Pick<ToolSettings, "add" | "straight" | "pressure">;
  readonly display: PixelStyle;
  color(instance: Instance): string;
  readonly tags: Tag[];
  isHighlighted(id: number): boolean;
  readonly proposals: readonly Proposal[];
  pressProposal(x: number, y: number, isSecondary: boolean, isDouble: boolean): boolean; // whether it was on a proposal
  choose(x: number, y: number, isAdded: boolean): void;
  refresh(): void;
}
