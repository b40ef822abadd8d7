"""How many clicks a method needs: NoC, NoF, IoU@k and seconds per click, by one click simulation for every method."""

from cdwidget.benchmark.latency import Latency, measure_latency
from cdwidget.benchmark.noc import Result, Run, benchmark
from cdwidget.benchmark.peers import PEERS
from cdwidget.benchmark.report import latency_table, noc_table, write_json

__all__ = ["PEERS", "Latency", "Result", "Run", "benchmark", "latency_table", "measure_latency", "noc_table", "write_json"]
