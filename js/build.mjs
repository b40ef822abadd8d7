// Bundles what the wheel carries: one ES module and one style sheet in cdwidget/static. `--watch` rebuilds on every change.
import { context } from "esbuild";
import { statSync } from "node:fs";

const STATIC = "../cdwidget/static/";
const LIMIT = 300_000; // bytes; the widget travels inside every notebook page

const bundle = await context({
  entryPoints: [
    { in: "src/annotator.ts", out: "annotator" },
    { in: "src/style.css", out: "annotator" },
  ],
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
  const size = statSync(STATIC + "annotator.js").size;
  if (size > LIMIT) throw new Error(`annotator.js has ${size} bytes; the limit is ${LIMIT}`);
}
