"""Measure click latency while other processes keep the machine busy.

python benchmarks/busy.py --out benchmarks/results/latency/busy.json

Each run is `cdwidget benchmark --latency --size 1000x1000` in a separate process: once with the GOMP_SPINCOUNT that the package sets, and
once with OpenMP's default.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

METHOD = "cdnet-tiny"
BUSY_PROCESSES = (0, 1, 2)
SPINS = {"set by cdwidget": None, "OpenMP default": "300000"}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure click latency while other processes keep the machine busy.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = []
    for busy in BUSY_PROCESSES:
        for name, spins in SPINS.items():
            with busy_processes(busy):
                latency = measure(spins)
            encode, click = (latency[key]["p50"] for key in ("encode_ms", "click_ms"))
            print(f"{busy} busy, GOMP_SPINCOUNT {name}: encode {encode:.0f} ms, click {click:.0f} ms", flush=True)
            found.append({"busy": busy, "spins": name, "encode_ms": latency["encode_ms"], "click_ms": latency["click_ms"]})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"method": METHOD, "cores": os.cpu_count(), "runs": found}, indent=2) + "\n")


@contextmanager
def busy_processes(count: int) -> Iterator[None]:
    """Run `count` busy processes, each in its own session like a Jupyter kernel, since Linux schedules by session."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()


def measure(spins: str | None) -> dict:
    """Run `cdwidget benchmark --latency` with a GOMP_SPINCOUNT; None for the default of the package."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "latency.json"
        command = [str(Path(sys.executable).with_name("cdwidget")), "benchmark", "--latency", "--methods", METHOD, "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment | ({"GOMP_SPINCOUNT": spins} if spins else {}))
        return json.loads(out.read_text())["latency"][0]


if __name__ == "__main__":
    main()
