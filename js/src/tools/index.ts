import { brush, eraser } from "./brush";
import { click } from "./click";
import type { Tool } from "./tool";

export const TOOLS: Record<string, Tool> = { click, brush, eraser };
