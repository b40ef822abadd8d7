/** The entry point of the embedding map: one set of points for each model, one view for each place that shows it. */
import { Points } from "./map/points";
import { MapView } from "./map/view";
import type { Model } from "./transport";

interface Props { model: Model; el: HTMLElement; signal?: AbortSignal }

export default () => {
  let points: Points | undefined;
  return {
    initialize({ model }: Props) {
      points = new Points(model);
      return () => points?.close();
    },
    render({ model, el }: Props) {
      const controller = new AbortController();
      points ??= new Points(model);
      new MapView(points, el, controller.signal);
      return () => controller.abort();
    },
  };
};
