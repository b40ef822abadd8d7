/** Everything a key or a button can do on a map, by the names that the `shortcuts` trait uses. */
import type { Command } from "../commands";
import type { MapView } from "./view";

export const COLORINGS = ["label", "status", "score"] as const;
const shows = (v: MapView) => v.points.count > 0;

export const COMMANDS: Record<string, Command<MapView>> = {
  select_all: { title: "Select all", run: (v) => v.points.select(v.points.ids.keys(), "new"), enabled: (v) => shows(v) && v.editable },
  clear: { title: "Select nothing", icon: "close", run: (v) => v.clear() },
  color: { title: "Colour by the next one", run: (v) => v.points.write("color_by", next(v.points.model.get("color_by"))) },
  pan: { title: "Move the map, held", run() {}, held: (v, down) => v.holdPan(down) },
  zoom_in: { title: "Zoom in", icon: "zoom_in", run: (v) => v.zoom(1.4), enabled: shows },
  zoom_out: { title: "Zoom out", icon: "zoom_out", run: (v) => v.zoom(1 / 1.4), enabled: shows },
  fit: { title: "Show all points", icon: "preview", run: (v) => v.fit(), enabled: shows },
  refresh: { title: "Read the catalogue anew", icon: "refresh", run: (v) => v.points.refresh(), enabled: (v) => !v.points.dead },
  fullscreen: { title: "Full screen", icon: "fullscreen", run: (v) => v.screen.toggle(), pressed: (v) => v.screen.isFull },
  help: { title: "All keys", icon: "help", run: (v) => v.setHelping(!v.helping), pressed: (v) => v.helping },
};

function next(by: (typeof COLORINGS)[number]) { return COLORINGS[(COLORINGS.indexOf(by) + 1) % COLORINGS.length]; }
