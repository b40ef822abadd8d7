/** The entry point of the gallery: one queue for each model, one view for each place that shows it. */
import { Queue } from "./gallery/queue";
import { GalleryView } from "./gallery/view";
import type { Model } from "./transport";

interface Props { model: Model; el: HTMLElement; signal?: AbortSignal }

export default () => {
  let queue: Queue | undefined;
  return {
    initialize({ model }: Props) {
      queue = new Queue(model);
      return () => queue?.close();
    },
    render({ model, el }: Props) {
      const controller = new AbortController();
      queue ??= new Queue(model);
      new GalleryView(queue, el, controller.signal);
      return () => controller.abort();
    },
  };
};
