"""The command line: `cdwidget benchmark` ..."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Callable, TypeVar

import typer
from tqdm import tqdm

from cdwidget._version import __version__
from cdwidget.lookup import lookup
from cdwidget.predictor import Predictor

Value = TypeVar("Value")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Interactive segmentation: measure predictors here, click in a notebook with cdwidget.Annotator."""
    if version:
        typer.echo(f"cdwidget {__version__}")
        raise typer.Exit


@app.command()
def benchmark(
    data: Annotated[Path | None, typer.Option(help="Folder with images/ and masks/: count the clicks of each object in it.")] = None,
    methods: Annotated[str, typer.Option(help="Comma-separated: cdnet (the default), grabcut, a model's name or file.")] = "cdnet,grabcut",
    out: Annotated[Path | None, typer.Option(help="Write all figures to this JSON file.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Take only the first images of the folder.")] = None,
    max_clicks: Annotated[int, typer.Option(min=1, help="Give up an object after so many clicks.")] = 20,
    plain: Annotated[bool, typer.Option("--plain", help="Ask the model directly, without a session's progressive merge.")] = False,
    latency: Annotated[bool, typer.Option("--latency", help="Measure encoding and clicks on one photograph.")] = False,
    size: Annotated[str, typer.Option(help="Size of that photograph.")] = "1000x1000",
) -> None:
    """Count clicks (NoC, NoF, IoU@k) on a folder, or measure latency on a photograph, for several methods by the same clicks."""
    from cdwidget import benchmark as bench
    from cdwidget.formats.folders import read_targets

    if data is None and not latency:
        raise typer.BadParameter("say what to measure: --data DIR, --latency or both")
    if out is not None and not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent} to write to", param_hint="--out")
    width, height = _checked("--size", _size, size)
    targets = [] if data is None else _checked("--data", read_targets, data, limit)
    predictors = {name: _checked("--methods", _predictor, name) for name in filter(None, (part.strip() for part in methods.split(",")))}
    if not predictors:
        raise typer.BadParameter("name at least one method", param_hint="--methods")

    results, latencies = [], []
    for name, predictor in predictors.items():
        if data is not None:
            through_session = not plain and name not in bench.PEERS
            progress = tqdm(targets, name, disable=None)
            results.append(bench.benchmark(name, progress, predictor, through_session=through_session, max_clicks=max_clicks))
        if latency:
            latencies.append(bench.measure_latency(name, predictor, width, height))

    if results:
        typer.echo(bench.noc_table(results))
    if latencies:
        typer.echo(bench.latency_table(latencies))
    if out is not None:
        bench.write_json(out, results, latencies, cdwidget=__version__, data=None if data is None else str(data), plain=plain)


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A name in cdwidget.train.RECIPES, such as cdnet-tiny.")],
    data: Annotated[list[Path], typer.Option(help="A data set (images/ with masks/ or annotations.json) or a folder of such; repeat it.")],
    out: Annotated[Path, typer.Option(help="Write the weights to this .safetensors file, a log and the state beside it.")],
    encoder: Annotated[Path | None, typer.Option(help="Pre-trained weights of the backbone.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches, instead of the recipe's number.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the state beside the output file ended.")] = False,
) -> None:
    """Train a CDNet by iterative clicks on any number of data sets."""
    from dataclasses import replace

    from cdwidget.train import RECIPES, find_sets
    from cdwidget.train import train as run

    chosen = _checked("RECIPE", lookup, RECIPES, recipe, "recipe")
    if steps is not None:
        chosen = replace(chosen, steps=steps)
    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"{out} must end in .safetensors", param_hint="--out")
    folders = _checked("--data", find_sets, data)
    typer.echo(f"wrote {_checked('train', run, chosen, folders, out, encoder, resume)}")


def _predictor(name: str) -> Predictor:
    from cdwidget.benchmark import PEERS

    if name in PEERS:
        return PEERS[name]()
    from cdwidget.model import MODELS, load_predictor

    if name.endswith(".safetensors"):
        return load_predictor(name)
    methods: dict[str, Callable[[], Predictor]] = {model: partial(load_predictor, model) for model in MODELS}
    return lookup({"cdnet": load_predictor, **methods, **PEERS}, name, "method")()


def _size(text: str) -> tuple[int, int]:
    width, cross, height = text.partition("x")
    if not (cross and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 16):
        raise ValueError(f"{text!r} is no size; write WIDTHxHEIGHT in pixels, each at least 16, like 1000x1000")
    return int(width), int(height)


def _checked(option: str, read: Callable[..., Value], *args: object) -> Value:
    """Call `read`; what a user gave wrong becomes a message about the option instead of a traceback."""
    try:
        return read(*args)
    except (ValueError, OSError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def main() -> None:
    """Entry point of the console script."""
    app()
