/** The canvas tools by name, in the order of the toolbar. */
import { box } from "./box";
import { brush, eraser } from "./brush";
import { click } from "./click";
import { lasso } from "./lasso";
import { matte } from "./matte";
import { polygon } from "./polygon";
import { select } from "./select";
import { stroke } from "./stroke";
import { superpixel } from "./superpixel";
import type { Tool } from "./tool";
import { wand } from "./wand";

export const TOOLS: Record<string, Tool> = {
  select,
  click,
  box,
  stroke,
  brush,
  eraser,
  polygon,
  lasso,
  superpixel,
  wand,
  matte,
};
