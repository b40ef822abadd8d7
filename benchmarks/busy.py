"""Waiting time on a machine that is busy with something else: clicks beside processes that never rest.

python benchmarks/busy.py --out benchmarks/results/latency/busy.json

Each line is `cdwidget benchmark --latency --size 1000x1000` in a process of its own: once as the package sets OpenMP up, and once with
OpenMP's own GOMP_SPINCOUNT, as it was before.
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
BUSY = (0, 1, 2)  # processes that never rest meanwhile
SPINS = {"as cdwidget sets it": None, "OpenMP's own": "300000"}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description="Measure waiting time beside busy processes.")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found = []
    for busy in BUSY:
        for name, spins in SPINS.items():
            with beside(busy):
                latency = measured(spins)
            encode, click = (latency[what]["p50"] for what in ("encode_ms", "click_ms"))
            print(f"{busy} busy, GOMP_SPINCOUNT {name}: encode {encode:.0f} ms, click {click:.0f} ms", flush=True)
            found.append({"busy": busy, "spins": name, "encode_ms": latency["encode_ms"], "click_ms": latency["click_ms"]})
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps({"method": METHOD, "cores": os.cpu_count(), "runs": found}, indent=2) + "\n")


@contextmanager
def beside(count: int) -> Iterator[None]:
    """Keep so many processes busy, each in a session of its own, as Jupyter starts kernels: Linux shares processors by session."""
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"], start_new_session=True) for _ in range(count)]
    try:
        yield
    finally:
        for one in others:
            one.kill()


def measured(spins: str | None) -> dict:
    """What `cdwidget benchmark --latency` measures, with this GOMP_SPINCOUNT; None leaves it to the package."""
    environment = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "latency.json"
        command = [str(Path(sys.executable).with_name("cdwidget")), "benchmark", "--latency", "--methods", METHOD, "--out", str(out)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment | ({"GOMP_SPINCOUNT": spins} if spins else {}))
        return json.loads(out.read_text())["latency"][0]


if __name__ == "__main__":
    main()
