/** The commands of the map by their names in the `shortcuts` trait. */
import type { Command } from "../ui/command_set";
import { ICONS } from "../ui/icons";
import type { MapHost } from "./host";

const COLORINGS = ["label", "status", "score"] as const;
const ZOOM_FACTOR = 1.4;
const hasPoints = ({ points }: MapHost) => points.count > 0;

export const COMMANDS: Record<string, Command<MapHost>> = {
  select_all: {
    title: "Select all",
    run: ({ points }) => points.select(points.ids.keys(), "new"),
    isEnabled: (view) => hasPoints(view) && view.isEditable,
  },
  clear: { title: "Clear the selection", icon: ICONS.close, run: (view) => view.clear() },
  color: {
    title: "Next coloring",
    run: ({ points }) => points.set("color_by", nextColoring(points.model.get("color_by"))),
  },
  pan: { title: "Move the map while held", run() {}, hold: (view, down) => view.holdPan(down) },
  zoom_in: { title: "Zoom in", icon: ICONS.zoom_in, run: (view) => view.zoom(ZOOM_FACTOR), isEnabled: hasPoints },
  zoom_out: {
    title: "Zoom out",
    icon: ICONS.zoom_out,
    run: (view) => view.zoom(1 / ZOOM_FACTOR),
    isEnabled: hasPoints,
  },
  fit: { title: "Show all points", icon: ICONS.preview, run: (view) => view.fit(), isEnabled: hasPoints },
  refresh: {
    title: "Refresh",
    icon: ICONS.refresh,
    run: ({ points }) => points.refresh(),
    isEnabled: ({ points }) => !points.isLost,
  },
  fullscreen: {
    title: "Full screen",
    icon: ICONS.fullscreen,
    run: (view) => view.screen.toggle(),
    isPressed: (view) => view.screen.isOn,
  },
  help: {
    title: "All keys",
    icon: ICONS.help,
    run: (view) => view.setHelping(!view.isHelping),
    isPressed: (view) => view.isHelping,
  },
};

function nextColoring(current: (typeof COLORINGS)[number]) {
  return COLORINGS[(COLORINGS.indexOf(current) + 1) % COLORINGS.length];
}
