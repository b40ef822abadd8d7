// Bundles what the wheel carries: an ES module and a style sheet for each widget in cdwidget/static. `--watch` rebuilds on every change.

import { statSync } from "node:fs";
import { context } from "esbuild";

const STATIC = "../cdwidget/static/";
const LIMIT = 300_000; // bytes of a module; it travels inside every notebook page that shows the widget
const WIDGETS = { annotator: "style.css", gallery: "gallery.css", embedding_map: "embedding_map.css" };

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
