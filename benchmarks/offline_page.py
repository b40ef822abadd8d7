"""Compare the page of `export_html` with the kernel: its size, the time of clicks, and the masks of the same clicks.

The page is opened from a file in Chromium, offline. Clicks are simulated on the kernel's mask and given to both. The kernel is a session
with cdnet-lite on one thread, as the page has one.

A long run may be interrupted: with --progress it keeps each finished object in a file, and the next run continues after them.

Usage: python benchmarks/offline_page.py --data GRABCUT --objects 10 --max-clicks 10 --out benchmarks/results/latency/offline_page.json
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from playwright.sync_api import Page, sync_playwright

from cdwidget import Click, Session, export_html, load_predictor
from cdwidget.click_simulation import next_click
from cdwidget.formats.dataset_folders import read_benchmark_objects
from cdwidget.masks import iou

SIDE_PX = 1000  # of the photograph whose first click is measured
TARGET_IOU = 0.9
TIMEOUT_MS = 600_000
# Keeps the worker of the page, and sends it requests next to those of the annotator.
ASK = """
window.Worker = class extends Worker { constructor(...args) { super(...args); window.pageWorker = this; } };
window.ask = (op, fields) => new Promise((resolve, reject) => {
  const id = `ask-${Math.random()}`;
  const since = performance.now();
  const listener = async ({ data }) => {
    if (data.kind !== "message" || data.content.id !== id) return;
    window.pageWorker.removeEventListener("message", listener);
    if (!data.content.ok) return reject(new Error(data.content.error));
    const text = (buffer) => btoa(Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join(""));
    resolve({ result: data.content.result, buffers: data.buffers.map(text), ms: performance.now() - since });
  };
  window.pageWorker.addEventListener("message", listener);
  window.pageWorker.postMessage({ kind: "request", message: { id, op, ...fields } });
});
"""


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with images/ and masks/")
    parser.add_argument("--objects", type=int, default=10, help="objects, spread over the data set")
    parser.add_argument("--max-clicks", type=int, default=10)
    parser.add_argument("--browser", default=os.environ.get("CDWIDGET_CHROMIUM") or shutil.which("chromium"))
    parser.add_argument("--progress", type=Path, help="file of finished objects (.jsonl), to continue an interrupted run")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    objects = read_benchmark_objects(options.data)
    objects = objects[:: max(1, len(objects) // options.objects)][: options.objects]
    found: dict[str, Any] = {"size": measure_size()}
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=options.browser, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context(offline=True)
        context.add_init_script(ASK)
        page = context.new_page()
        page.set_default_timeout(TIMEOUT_MS)
        found["first_click"] = measure_first_click(page, Path(folder), objects[0].load()[0])
        found["clicks"] = compare_clicks(page, Path(folder), objects, options.max_clicks, options.progress)
        browser.close()
    text = json.dumps(found, indent=1)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


def measure_size() -> dict[str, float]:
    """Return the size of a page without images, in megabytes, as a file and gzipped."""
    with tempfile.TemporaryDirectory() as folder:
        page = export_html(np.zeros((16, 16, 3), np.uint8), Path(folder) / "page.html").read_bytes()
    return {"file_mb": round(len(page) / 1e6, 2), "gzipped_mb": round(len(gzip.compress(page, 9)) / 1e6, 2)}


def measure_first_click(page: Page, folder: Path, image: np.ndarray) -> dict[str, float]:
    """Return the seconds until the page and the kernel are ready, and of their first click, on a square photograph."""
    image = cv2.resize(image, (SIDE_PX, SIDE_PX), interpolation=cv2.INTER_CUBIC)
    click = Click(SIDE_PX / 2, SIDE_PX / 2)
    since = time.perf_counter()
    open_page(page, export_html(image, folder / "first.html"))
    page_ready = time.perf_counter() - since
    page_click = ask_click(page, click, 1)["ms"] / 1000
    load_predictor("cdnet-lite", "cpu").set_image(image[:64, :64])  # The first use of PyTorch in a process takes longer.
    since = time.perf_counter()
    predictor = load_predictor("cdnet-lite", "cpu")
    predictor.set_image(image)
    kernel_ready = time.perf_counter() - since
    session = Session(image, predictor)
    since = time.perf_counter()
    session.apply(click)
    kernel_click = time.perf_counter() - since
    times = {"page_ready_s": page_ready, "kernel_ready_s": kernel_ready, "page_click_s": page_click, "kernel_click_s": kernel_click}
    return {name: round(value, 2) for name, value in times.items()} | {"ratio": round(page_click / kernel_click, 2)}


def compare_clicks(page: Page, folder: Path, objects: list[Any], max_clicks: int, progress: Path | None) -> dict[str, Any]:
    """Give the same clicks to the page and the kernel, and compare their masks."""
    records = [json.loads(line) for line in progress.read_text().splitlines()] if progress and progress.exists() else []
    if remaining := objects[len(records) :]:
        open_page(page, export_html([one.load()[0] for one in remaining], folder / "clicks.html"))
    predictor = load_predictor("cdnet-lite", "cpu")
    for number, one in enumerate(remaining):
        if number:
            page.evaluate("ask('go', { step: 1 })")
            page.evaluate("ask('document', {})")
        record = compare_object(page, one, number + 1, predictor, max_clicks)
        records.append(record)
        print(f"{len(records)} of {len(objects)}: {len(record['iou'])} clicks, lowest IoU {min(record['iou']):.4f}", flush=True)
        if progress:
            with progress.open("a") as file:
                file.write(json.dumps(record) + "\n")
    return summarize(records)


def compare_object(page: Page, one: Any, key: int, predictor: Any, max_clicks: int) -> dict[str, Any]:
    """Give the same clicks on one object to the page and the kernel.

    Returns:
        For each click the IoU of the two masks and the seconds of both, and the clicks of both until the target IoU.
    """
    image, gt, ignore = one.load()
    session = Session(image, predictor)
    mask, clicks = np.zeros_like(gt), []
    agreement: list[float] = []
    seconds: dict[str, list[float]] = {"page": [], "kernel": []}
    noc = {"page": max_clicks, "kernel": max_clicks}
    while len(clicks) < max_clicks and (click := next_click(gt, session.mask, ignore, clicks)) is not None:
        clicks.append(click)
        reply = ask_click(page, click, key)
        paste(mask, reply)
        since = time.perf_counter()
        session.apply(click)
        seconds["kernel"].append(time.perf_counter() - since)
        seconds["page"].append(reply["ms"] / 1000)
        agreement.append(iou(mask, session.mask))
        for name, found in (("page", mask), ("kernel", session.mask)):
            if noc[name] == max_clicks and iou(found & ~ignore, gt & ~ignore) >= TARGET_IOU:
                noc[name] = len(clicks)
    return {"iou": agreement, "seconds": seconds, "noc": noc}


def summarize(records: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the agreement, the clicks per object and the times of all objects."""
    agreement = [value for record in records for value in record["iou"]]
    seconds = {name: [value for record in records for value in record["seconds"][name]] for name in ("page", "kernel")}
    half = len(agreement) // 2
    return {
        "objects": len(records),
        "clicks": len(agreement),
        "iou_mean": round(statistics.mean(agreement), 5),
        "iou_min": round(min(agreement), 5),
        "at_least_0.995": round(sum(value >= 0.995 for value in agreement) / len(agreement), 4),
        "identical": round(sum(value == 1 for value in agreement) / len(agreement), 4),
        "noc90": {name: round(statistics.mean(record["noc"][name] for record in records), 3) for name in ("page", "kernel")},
        "median_s": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "median_s_of_halves": {
            name: [round(statistics.median(part), 3) for part in (values[:half], values[half:])] for name, values in seconds.items()
        },
    }


def open_page(page: Page, path: Path) -> None:
    """Open a page and wait until the model is ready."""
    page.goto(path.as_uri())
    page.wait_for_selector(".cdw-status[data-state=ready]")


def ask_click(page: Page, click: Click, key: int) -> dict[str, Any]:
    """Apply a click in the page; return its reply."""
    action = {"type": "click", "x": click.x, "y": click.y, "positive": click.positive}
    reply: dict[str, Any] = page.evaluate("fields => ask('apply', fields)", {"action": action, "key": key})
    return reply


def paste(mask: np.ndarray, reply: dict[str, Any]) -> None:
    """Write the patches of a reply into a mask."""
    for patch, buffer in zip(reply["result"]["document"]["patches"], reply["buffers"]):
        x0, y0, x1, y1 = patch["box"]
        bits = np.unpackbits(np.frombuffer(base64.b64decode(buffer), np.uint8), count=(y1 - y0) * (x1 - x0))
        mask[y0:y1, x0:x1] = bits.reshape(y1 - y0, x1 - x0)


if __name__ == "__main__":
    main()
