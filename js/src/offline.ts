/** Entry point of a page without kernel, which cdwidget.export_html writes: the annotator, with a worker in place of Python. */
import { ImageDocument } from "./document";
import { h } from "./dom";
import { pageBar } from "./offline/page_bar";
import type { FromWorker, PageData, ToWorker } from "./offline/page_data";
import { PageModel } from "./offline/page_model";
import { fromBase64, gunzip } from "./offline/payload";
import { Storage } from "./offline/storage";
import { AnnotatorView } from "./view";

const SAVED_TEXT = "Saved in this browser after every change";
const NOT_SAVED_TEXT = "Not saved in this browser: save the labels to a file before you close the page";

start().catch(({ message }: Error) => {
  const text = `This page cannot be opened here: ${message}. Open it in a current version of Chrome, Edge, Firefox or Safari.`;
  document.body.append(h("p", { class: "cdw-page-error", role: "alert" }, text));
});

async function start() {
  const page: PageData = JSON.parse(textOf("page") ?? "");
  const storage = await Storage.open(page.id).catch(() => null);
  page.traits._notice = page.traits.view_only ? "" : storage ? SAVED_TEXT : NOT_SAVED_TEXT;
  const images = page.images.map(({ mime }, i) => new Blob([fromBase64(textOf(`image-${i}`) ?? "")], { type: mime }));
  const [runtime, checkpoint, graphs] = await Promise.all(["runtime", "checkpoint", "graphs"].map(fileOf));
  const network = runtime && checkpoint && graphs ? { runtime, checkpoint, graphs } : null;
  const worker = new Worker(URL.createObjectURL(new Blob([textOf("worker") ?? ""], { type: "text/javascript" })));
  const model = new PageModel(page.traits, worker);
  const document_ = new ImageDocument(model);
  worker.onmessage = ({ data }: MessageEvent<FromWorker>) => {
    if (data.kind === "step")
      storage?.add(data.step).catch(({ message }: Error) => model.set("_notice", `${NOT_SAVED_TEXT} (${message})`));
    model.receive(data);
  };
  worker.onerror = ({ message }) =>
    document_.kernel.showError(
      `The page has stopped: ${message}. Reload it; the labels saved in this browser are kept.`,
    );
  const steps = [...(storage?.steps ?? [])];
  worker.postMessage({ kind: "start", page, images, steps, network } satisfies ToWorker);
  document.body.classList.toggle("cdw-fills-window", page.traits.height === null);
  const root = document.createElement("main");
  document.body.append(pageBar(document_, document.title), root);
  new AnnotatorView(document_, root, new AbortController().signal);
}

/** Return the text of a part of the page, and remove it to free its memory; undefined if the page has no such part. */
function textOf(name: string): string | undefined {
  const element = document.getElementById(`cdw-${name}`);
  element?.remove();
  return element?.textContent ?? undefined;
}

async function fileOf(name: string): Promise<ArrayBuffer | null> {
  const text = textOf(name);
  return text === undefined ? null : gunzip(fromBase64(text));
}
