// Bundles what the wheel carries in cdwidget/static: an ES module and a style sheet for each widget; and for the page without kernel, its
// script, its worker, and onnxruntime in WebAssembly. `--watch` rebuilds the widgets on every change.

import { readFileSync, statSync, writeFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build, context } from "esbuild";

const STATIC = "../cdwidget/static/";
const LIMIT = 300_000; // bytes of a module; it travels inside every notebook page that shows the widget
const RUNTIME = "node_modules/onnxruntime-web/dist/ort-wasm-simd-threaded.wasm"; // the smallest build; it runs on one thread, too
const WIDGETS = {
  annotator: "style.css",
  gallery: "gallery.css",
  embedding_map: "embedding_map.css",
  inspector: "inspector.css",
};

const bundle = await context({
  entryPoints: Object.entries(WIDGETS).flatMap(([name, style]) => [
    { in: `src/${name}.ts`, out: name },
    { in: `src/${style}`, out: name },
  ]),
  outdir: STATIC,
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2021",
  logLevel: "info",
});
await build({
  entryPoints: [
    { in: "src/offline.ts", out: "offline" },
    { in: "src/offline.css", out: "offline" },
    { in: "src/offline/worker.ts", out: "offline_worker" },
  ],
  outdir: STATIC,
  bundle: true,
  minify: true,
  format: "iife", // a page opened from a file may not import modules
  target: "es2022",
  define: { "import.meta.url": "self.location.href" }, // onnxruntime would load its files from there; it gets them from the page
  logLevel: "info",
});
writeFileSync(`${STATIC}onnxruntime.wasm.gz`, gzipSync(readFileSync(RUNTIME), { level: 9 }));
if (process.argv.includes("--watch")) {
  await bundle.watch();
} else {
  await bundle.rebuild();
  await bundle.dispose();
  for (const name of Object.keys(WIDGETS)) {
    const { size } = statSync(`${STATIC}${name}.js`);
    if (size > LIMIT) throw new Error(`${name}.js has ${size} bytes; the limit is ${LIMIT}`);
  }
}
