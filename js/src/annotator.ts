/** Entry point of the annotator. */
import { ImageDocument } from "./document";
import { widgetModule } from "./kernel";
import type { AnnotatorModel } from "./traits";
import { AnnotatorView } from "./view";

export default widgetModule(
  (model: AnnotatorModel) => new ImageDocument(model),
  (document, host, signal) => new AnnotatorView(document, host, signal),
);
