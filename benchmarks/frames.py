"""Compare the frames of two versions of cdwidget: milliseconds of script in each frame while one paints and zooms on 12 megapixels.

Each version has a notebook, a kernel and a page of its own, and they take turns, so that a busy machine slows both down alike.

git worktree add ../older COMMIT  # and build its bundle: make env there, or npm ci && npm run build in its js/
python benchmarks/frames.py ../older
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from playwright.sync_api import expect, sync_playwright

THIS = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(THIS / "tests"))

from support.frame_times import open_timed, paint, zoom  # noqa: E402
from support.jupyterlab import Lab  # noqa: E402
from support.measurements import percentile_95  # noqa: E402
from support.prerequisites import find_browser  # noqa: E402

ROUNDS = 10
VIEWPORT = {"width": 1280, "height": 900}
TIMEOUT_MS = 120_000  # A busy machine opens 12 MP in half a minute.


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("older", type=Path, help="the root of a checkout of the older version, with its bundle built")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    roots = {"older": options.older.resolve(), "this": THIS}
    expect.set_options(timeout=TIMEOUT_MS)
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_browser(), args=["--no-sandbox", "--disable-gpu"])
        lab = Lab(Path(folder))
        try:
            pages = {name: browser.new_context(viewport=VIEWPORT).new_page() for name in roots}
            pointers = {name: open_timed(lab, pages[name], f"{name}.ipynb", root) for name, root in roots.items()}
            for gesture in (paint, zoom):
                times: dict[str, list[list[float]]] = {name: [] for name in roots}
                for number in range(options.rounds):
                    for name in sorted(roots, reverse=number % 2 == 1):
                        pages[name].bring_to_front()
                        times[name].append(gesture(pointers[name]))
                for statistic in (median, percentile_95):
                    older, this = (median(map(statistic, times[name])) for name in ("older", "this"))
                    print(f"{gesture.__name__:6} {statistic.__name__:14} {older:6.2f} → {this:6.2f} ms ({this / older:.2f} times)")
        finally:
            lab.stop_kernels()
            lab.close()
            browser.close()


if __name__ == "__main__":
    main()
