"""Count clicks to a target IoU (NoC, NoF, IoU@k) and measure latency."""

from cdwidget._deprecated import renamed_names
from cdwidget.benchmark.latency import Latency, measure_in_new_process, measure_latency
from cdwidget.benchmark.methods import BASELINES, Method, baseline, import_method
from cdwidget.benchmark.protocol import MODES, Options, benchmark
from cdwidget.benchmark.report import latency_table, noc_table, plot_iou, write_csv, write_json
from cdwidget.benchmark.results import Result, Run
from cdwidget.benchmark.runner import run_all

__all__ = [
    "BASELINES",
    "MODES",
    "Latency",
    "Method",
    "Options",
    "Result",
    "Run",
    "baseline",
    "benchmark",
    "import_method",
    "latency_table",
    "measure_in_new_process",
    "measure_latency",
    "noc_table",
    "plot_iou",
    "run_all",
    "write_csv",
    "write_json",
]

__getattr__ = renamed_names(
    "cdwidget.benchmark",
    {"PEERS": "BASELINES", "peer": "baseline", "imported": "import_method", "measure_apart": "measure_in_new_process"},
)
