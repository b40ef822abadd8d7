/** Entry point of the embedding map. */
import { widgetModule } from "./kernel";
import { type MapModel, Points } from "./map/points";
import { MapView } from "./map/view";

export default widgetModule(
  (model: MapModel) => new Points(model),
  (points, host, signal) => new MapView(points, host, signal),
);
