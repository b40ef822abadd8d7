/** Entry point of the worker, which takes the place of the kernel in a page without one. */
import type { FromWorker, ToWorker } from "./page_data";
import { PageKernel } from "./page_kernel";

let kernel: PageKernel | undefined;

const post = (message: FromWorker) => {
  const buffers = message.kind === "message" ? message.buffers : [];
  self.postMessage(message, { transfer: buffers });
};

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.kind === "start") kernel = new PageKernel(data, post);
  else kernel?.receive(data.message);
};
