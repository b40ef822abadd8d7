/** The entry point: one document for each model, one view for each place that shows it. */
import { Doc } from "./state";
import type { Model } from "./transport";
import { View } from "./view";

interface Props { model: Model; el: HTMLElement; signal?: AbortSignal }

export default () => {
  let doc: Doc | undefined;
  return {
    initialize({ model }: Props) {
      doc = new Doc(model);
      return () => doc?.close();
    },
    render({ model, el }: Props) {
      const controller = new AbortController();
      doc ??= new Doc(model);
      new View(doc, el, controller.signal);
      return () => controller.abort();
    },
  };
};
