/** Entry point of the inspector. */
import { Drawing, type InspectorModel } from "./inspector/drawing";
import { InspectorView } from "./inspector/view";
import { widgetModule } from "./kernel";

export default widgetModule(
  (model: InspectorModel) => new Drawing(model),
  (drawing, host, signal) => new InspectorView(drawing, host, signal),
);
