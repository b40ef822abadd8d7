/** Entry point of the gallery. */
import { Queue } from "./gallery/queue";
import type { GalleryModel } from "./gallery/traits";
import { GalleryView } from "./gallery/view";
import { widgetModule } from "./kernel";

export default widgetModule(
  (model: GalleryModel) => new Queue(model),
  (queue, host, signal, findModel) => new GalleryView(queue, host, signal, findModel),
);
