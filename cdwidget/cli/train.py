"""`cdwidget train`, `round`, `export-onnx`, `train-quality`, `train-matcher`, `fit-proposals`, `fit-scores` and `score-quality`."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cdwidget.cli.options import SCORING_MODEL, Data, Device, ModelName, Seed, check_out, checked, echo
from cdwidget.registry import lookup

Steps = Annotated[int | None, typer.Option(min=1, help="Number of batches; default: the recipe's.")]
WeightsOut = Annotated[Path, typer.Option(help="Weights file to write (.safetensors).")]
ModelArgument = Annotated[str, typer.Argument(help="Model name or .safetensors file.")]


def train(
    recipe: Annotated[str, typer.Argument(help="A name in cdwidget.train.RECIPES, such as cdnet-tiny.")],
    data: Annotated[list[Path], typer.Option(help="Data set (images/ with masks/ or annotations.json) or a folder of such. Repeatable.")],
    out: Annotated[Path, typer.Option(help="Weights file to write (.safetensors); log, curve and state are written next to it.")],
    encoder: Annotated[Path | None, typer.Option(help="Pre-trained encoder weights.")] = None,
    start_from: Annotated[str | None, typer.Option(help="Model name or file to start from; parts that it lacks are initialized.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Model name or file to distill from, in addition to the masks.")] = None,
    unlabeled: Annotated[
        list[Path], typer.Option("--unlabeled", "--unlabelled", help="Folder of images that only the teacher labels. Repeatable.")
    ] = [],  # noqa: B006
    weight: Annotated[list[str], typer.Option(help="SET=2.5: sample this set 2.5 times as often as a set of weight 1. Repeatable.")] = [],  # noqa: B006
    steps: Steps = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the state next to the output file.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Skip and count images that cannot be used.")] = False,
    device: Device = "auto",
) -> None:
    """Train a CDNet by iterative clicks on any number of data sets. Under torchrun the processes share each batch."""
    from cdwidget.model.variants import weights_of
    from cdwidget.train import RECIPES, find_datasets, reweighted
    from cdwidget.train import train as run

    chosen = checked("RECIPE", lookup, RECIPES, recipe, "recipe")
    if steps is not None:
        chosen = replace(chosen, steps=steps)
    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"{out} must end in .safetensors", param_hint="--out")
    folders = checked("--data", find_datasets, data)
    chosen = checked("--weight", reweighted, chosen, weight, [folder.name for folder in [*folders, *unlabeled]])
    start = partial(
        run, encoder=encoder, resume=resume, unlabeled=unlabeled, skip_bad=skip_bad, device=device,
        start_from=None if start_from is None else checked("--start-from", weights_of, start_from),
        teacher=None if teacher is None else checked("--teacher", weights_of, teacher),
    )  # fmt: skip
    echo(f"wrote {checked('train', start, chosen, folders, out)}")


def round_weights(
    model: ModelArgument,
    data: Data,
    out: WeightsOut,
    views: Annotated[int, typer.Option(min=1, help="Number of training views to calibrate on.")] = 64,
) -> None:
    """Quantize a model to 3 and 4 bits per weight (a quarter of the size), keeping each layer's output as close as possible."""
    from cdwidget.model.checkpoint import load_checkpoint
    from cdwidget.model.variants import weights_of
    from cdwidget.train.gptq import quantize_checkpoint as run

    check_out(out)
    network = checked("MODEL", lambda: load_checkpoint(weights_of(model)))
    echo(checked("--data", run, network, data, out, views))


def export_onnx(
    model: ModelArgument,
    out: Annotated[
        Path,
        typer.Argument(
            help="Head to write (.onnx); load_predictor takes it, and the encoder is written next to it. "
            "Or all graphs without weights (.graphs.safetensors), for pages of export-html."
        ),
    ],
) -> None:
    """Export a model as two ONNX graphs: an encoder, which runs once per view, and a head, which runs at every prompt."""
    from cdwidget.model.checkpoint import load_checkpoint
    from cdwidget.model.graphs import GRAPHS_SUFFIX, write_graphs
    from cdwidget.model.onnx import export_onnx as run
    from cdwidget.model.variants import weights_of

    network = checked("MODEL", lambda: load_checkpoint(weights_of(model)))
    for path in checked("OUT", write_graphs if out.name.endswith(GRAPHS_SUFFIX) else run, network, out):
        echo(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


def train_quality(
    data: Data,
    out: WeightsOut,
    steps: Steps = None,
    start_from: Annotated[Path | None, typer.Option(help="Weights of an earlier run to continue from.")] = None,
    first: Annotated[int, typer.Option(min=0, help="With --start-from: batches of earlier runs; this run draws others.")] = 0,
    device: Device = "auto",
) -> None:
    """Train the quality model on training sets whose masks are corrupted on purpose."""
    from cdwidget.train.quality import QUALITY_RECIPE, train_quality_model

    check_out(out)
    recipe = replace(QUALITY_RECIPE, steps=steps or QUALITY_RECIPE.steps, first=first)
    echo(checked("--data", train_quality_model, data, out, recipe, start_from, device))


def train_matcher(
    data: Data,
    out: WeightsOut,
    steps: Steps = None,
    start_from: Annotated[Path | None, typer.Option(help="Weights of an earlier run to continue from.")] = None,
    seed: Seed = 0,
) -> None:
    """Train the matcher, which finds objects like examples, on training sets with several objects of a class in an image."""
    from cdwidget.train.matching import MATCHER_RECIPE
    from cdwidget.train.matching import train_matcher as run

    check_out(out)
    recipe = replace(MATCHER_RECIPE, steps=steps or MATCHER_RECIPE.steps, seed=seed)
    echo(checked("--data", run, data, out, recipe, start_from))


def fit_proposals(
    data: Data,
    out: Annotated[Path, typer.Option(help="File for the candidates, a JSON line an image. A rerun resumes.")],
    model: ModelName = SCORING_MODEL,
    images: Annotated[int, typer.Option(min=1, help="Maximum number of images of a set.")] = 40,
) -> None:
    """Fit the score of proposals (show one, get all) on training sets with several objects of a class in an image."""
    from cdwidget.model.variants import load_variant
    from cdwidget.train.config import DatasetSettings
    from cdwidget.train.proposal_scores import fit_proposal_scores as run

    predictor = checked("--model", load_variant, model)
    echo(checked("--data", run, predictor, data, DatasetSettings.read().classes, images, out))


def fit_scores(
    data: Data,
    out: Annotated[Path, typer.Option(help="Weights file to write (.npz).")],
    model: ModelName = SCORING_MODEL,
    quality: Annotated[
        Path | None, typer.Option("--quality", "--critic", help="Weights of `cdwidget train-quality`; default: the packaged ones.")
    ] = None,
    masks: Annotated[int, typer.Option(min=40, help="Masks to score with the segmentation and quality models.")] = 900,
    plain: Annotated[int, typer.Option(min=0, help="Masks to score without these models; 0 fits only the last network.")] = 6000,
) -> None:
    """Fit the overall score to all single scores, on training sets whose masks are corrupted on purpose."""
    from cdwidget.model.quality import WEIGHTS, load_quality_model
    from cdwidget.model.variants import load_variant
    from cdwidget.train.fit_overall import fit_scores as run

    check_out(out)
    quality_model = checked("--quality", load_quality_model, quality or WEIGHTS)
    echo(checked("fit-scores", run, data, checked("--model", load_variant, model), quality_model, out, masks, plain))


def score_quality(
    data: Data,
    out: Annotated[Path, typer.Option(help="Write all figures to this JSON file, and a CSV with one line per mask next to it.")],
    model: ModelName = SCORING_MODEL,
    masks: Annotated[int, typer.Option(min=40, help="Number of masks of held-out images; every second one is corrupted.")] = 520,
    seed: Seed = 0,
) -> None:
    """Measure how well the scores find bad masks, on held-out images whose masks are corrupted on purpose."""
    from cdwidget.model.quality import load_quality_model
    from cdwidget.model.variants import load_variant
    from cdwidget.train.evaluate_overall import measure_scores, write

    check_out(out)
    scored = checked("--data", measure_scores, data, checked("--model", load_variant, model), load_quality_model(), masks, seed)
    echo(write(scored, out, model=model, seed=seed))
