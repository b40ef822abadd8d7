"""The `cdwidget` program: its commands by group."""

from __future__ import annotations

from typing import Annotated

import typer

from cdwidget._version import __version__
from cdwidget.cli import benchmark, catalogue, convert, cutouts, follow, jobs, page, train

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

for name, command, group in (
    ("serve", page.serve, "Pages"),
    ("export-html", page.export_html, "Pages"),
    ("import", catalogue.import_, "Catalogue"),
    ("export", catalogue.export, "Catalogue"),
    ("stats", catalogue.stats, "Catalogue"),
    ("cut-out", cutouts.cut_out, "Catalogue"),
    ("convert", convert.convert, "Data sets"),
    ("follow", follow.follow, "Data sets"),
    ("prelabel", jobs.prelabel, "Jobs"),
    ("score", jobs.score, "Jobs"),
    ("train", train.train, "Training"),
    ("round", train.round_weights, "Training"),
    ("export-onnx", train.export_onnx, "Training"),
    ("train-quality", train.train_quality, "Training"),
    ("train-matcher", train.train_matcher, "Training"),
    ("fit-proposals", train.fit_proposals, "Training"),
    ("fit-scores", train.fit_scores, "Training"),
    ("score-quality", train.score_quality, "Training"),
    ("benchmark", benchmark.benchmark, "Benchmarks"),
    ("ablate", benchmark.ablate, "Benchmarks"),
):
    app.command(name, rich_help_panel=group)(command)
app.command("train-critic", hidden=True, deprecated=True)(train.train_quality)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False) -> None:
    """Interactive segmentation: catalogues, jobs, training and benchmarks. Label images in a notebook with cdwidget.Annotator."""
    if version:
        typer.echo(f"cdwidget {__version__}")
        raise typer.Exit


def main() -> None:
    """Run the console script."""
    app()
