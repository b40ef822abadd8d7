"""How many clicks a method needs: NoC, NoF, IoU@k and seconds per click, by one click simulation for every method."""

from cdwidget.benchmark.command import carry_out, read_objects, read_sizes
from cdwidget.benchmark.latency import Latency, measure_apart, measure_latency
from cdwidget.benchmark.methods import Method, imported, peer
from cdwidget.benchmark.modes import MODES
from cdwidget.benchmark.noc import Options, Result, Run, benchmark
from cdwidget.benchmark.peers import PEERS
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
    "carry_out",
    "imported",
    "latency_table",
    "measure_apart",
    "measure_latency",
    "noc_table",
    "peer",
    "read_objects",
    "read_sizes",
    "run_all",
    "write_csv",
    "write_json",
]
