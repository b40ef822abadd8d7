/** Entry point of the gallery. */
import { type GalleryModel, Queue } from "./gallery/queue";
import { GalleryView } from "./gallery/view";
import { widgetModule } from "./kernel";

export default widgetModule(
  (model: GalleryModel) => new Queue(model),
  (queue, host, signal, findModel) => new GalleryView(queue, host, signal, findModel),
);
