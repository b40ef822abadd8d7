"""How many clicks a method needs: NoC, NoF, IoU@k and seconds per click, by one click simulation for every method."""

from cdwidget.benchmark.latency import Latency, measure_apart, measure_latency
from cdwidget.benchmark.methods import PEERS, Method, imported, peer
from cdwidget.benchmark.protocol import MODES, Options, Result, Run, benchmark
from cdwidget.benchmark.report import latency_table, noc_table, write_csv, write_json
from cdwidget.benchmark.runner import run_all

__all__ = [
    "MODES",
    "PEERS",
    "Latency",
    "Method",
    "Options",
    "Result",
    "Run",
    "benchmark",
    "imported",
    "latency_table",
    "measure_apart",
    "measure_latency",
    "noc_table",
    "peer",
    "run_all",
    "write_csv",
    "write_json",
]
