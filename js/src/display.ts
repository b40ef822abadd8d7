/** How a view shows the image. Colours are changed by a filter over the canvas, so that no pixel is painted again for them. */

export interface Display {
  brightness: number; // 1: as it is
  contrast: number; // 1: as it is
  channel: "color" | "grey" | "red" | "green" | "blue"; // a single one is shown in grey
  sharp: boolean; // pixels as squares also before they are large
  grid: boolean; // lines between pixels that are large
}

export const PLAIN: Display = { brightness: 1, contrast: 1, channel: "color", sharp: false, grid: true };
