"""The command line: `cdwidget benchmark` ..."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Callable, TypeVar

import typer

from cdwidget._version import __version__
from cdwidget.lookup import lookup

if TYPE_CHECKING:
    from cdwidget.benchmark import Method

Value = TypeVar("Value")

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def root(version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False) -> None:
    """Interactive segmentation: measure predictors here, click in a notebook with cdwidget.Annotator."""
    if version:
        typer.echo(f"cdwidget {__version__}")
        raise typer.Exit


Data = Annotated[list[Path], typer.Option(help="Folder with images/ and masks/, or with such folders; repeat it.")]
Out = Annotated[Path | None, typer.Option(help="Write all figures to this JSON file, a CSV and a plot beside it; a rerun goes on there.")]
HeldOut = Annotated[
    bool, typer.Option("--held-out", help="The data are training sets: take objects of the images that training leaves out.")
]
Objects = Annotated[int, typer.Option(min=1, help="With --held-out: so many objects, of all sets alike.")]
Seed = Annotated[int, typer.Option(help="Of the choice of objects and of all else that is random.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Take only the first images of a folder.")]
ModeName = Annotated[
    str, typer.Option(help="click, human (clicks as people place them), box (first), stroke, or edit (a mask of IoU 0.75-0.85).")
]
MaxClicks = Annotated[int, typer.Option(min=1, help="Give up an object after so many prompts.")]
Jobs = Annotated[int, typer.Option(min=1, help="Measure in so many processes; more than one make the seconds worthless.")]
Title = Annotated[str, typer.Option(help="What the figures are called in tables and plots.")]


@app.command()
def benchmark(
    data: Data = [],  # noqa: B006
    methods: Annotated[
        str,
        typer.Option(help="Comma-separated: cdnet, a model or a file, also with @variant; grabcut, random-walker; module:factory."),
    ] = "cdnet,grabcut",
    out: Out = None, held_out: HeldOut = False, objects: Objects = 320, seed: Seed = 0, limit: Limit = None, mode: ModeName = "click",
    max_clicks: MaxClicks = 20,
    plain: Annotated[bool, typer.Option("--plain", help="Ask the model directly, without a session's progressive merge.")] = False,
    jobs: Jobs = 1,
    latency: Annotated[bool, typer.Option("--latency", help="Measure encoding, clicks and memory on one photograph.")] = False,
    size: Annotated[str, typer.Option(help="Sizes of that photograph, comma-separated.")] = "1000x1000",
    title: Title = "",
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Measure with so many seeds and report the spread of NoC; 10 with --mode human, else 1.")
    ] = None,
) -> None:  # fmt: skip
    """Count clicks (NoC, NoF, IoU@k) on folders, or measure latency on a photograph, for several methods by the same clicks."""
    from cdwidget import benchmark as bench

    if not data and not latency:
        raise typer.BadParameter("say what to measure: --data DIR, --latency or both")
    options = _checked("--mode", bench.Options, mode, max_clicks, plain, seed)
    sizes = _checked("--size", bench.read_sizes, size) if latency else []
    targets = _checked("--data", bench.read_objects, data, held_out, objects, seed, limit)
    chosen = _checked("--methods", _methods, methods)
    _check_out(out)
    repeats = (10 if mode == "human" else 1) if repeats is None else repeats
    typer.echo(bench.carry_out(chosen, targets, options, sizes=sizes, jobs=jobs, out=out, title=title, repeats=repeats))


@app.command()
def ablate(
    data: Data,
    model: Annotated[str, typer.Option(help="A model's name or file.")] = "cdnet",
    weights: Annotated[list[Path], typer.Option(help="Another checkpoint to compare, such as one trained without FDM; repeat it.")] = [],  # noqa: B006
    train: Annotated[
        int | None, typer.Option(min=1, help="Instead, train the recipe MODEL for so many batches with one part changed at a time.")
    ] = None,
    encoder: Annotated[Path | None, typer.Option(help="With --train: pre-trained weights of the backbone.")] = None,
    out: Out = None, held_out: HeldOut = False, objects: Objects = 320, seed: Seed = 0, limit: Limit = None, mode: ModeName = "click",
    max_clicks: MaxClicks = 20, jobs: Jobs = 1, title: Title = "",
) -> None:  # fmt: skip
    """Change one thing at a time, and say what each is worth in clicks.

    Either about how a model is asked (PDM, zoom-in, flip, previous mask), or, with --train, about what it is (FDM, diversified training,
    previous mask, how clicks are shown).
    """
    from cdwidget import benchmark as bench
    from cdwidget.model.variants import ablations

    options = _checked("--mode", bench.Options, mode, max_clicks, False, seed)
    targets = _checked("--data", bench.read_objects, data, held_out, objects, seed, limit)
    _check_out(out)
    if train is not None:
        weights = [*_trained(model, train, data, out, encoder), *weights]
        chosen = [_checkpoint(path) for path in weights]
    else:
        names = [model, *(f"{model}@{variant}" for variant in _checked("--model", ablations, model)), *map(str, weights)]
        chosen = _checked("--weights", _methods, ",".join(names))
    typer.echo(bench.carry_out(chosen, targets, options, jobs=jobs, out=out, compare=True, title=title))


@app.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A name in cdwidget.train.RECIPES, such as cdnet-tiny.")],
    data: Annotated[list[Path], typer.Option(help="A data set (images/ with masks/ or annotations.json) or a folder of such; repeat it.")],
    out: Annotated[Path, typer.Option(help="Write the weights to this .safetensors file, a log, a curve and the state beside it.")],
    encoder: Annotated[Path | None, typer.Option(help="Pre-trained weights of the backbone.")] = None,
    start_from: Annotated[Path | None, typer.Option(help="A checkpoint to begin with; parts that it lacks begin anew.")] = None,
    teacher: Annotated[str | None, typer.Option(help="A model's name or file to learn from, besides the masks.")] = None,
    unlabelled: Annotated[list[Path], typer.Option(help="A folder of images that the teacher alone explains; repeat it.")] = [],  # noqa: B006
    weight: Annotated[list[str], typer.Option(help="SET=2.5: draw from a set so many times as often as from one of weight 1.")] = [],  # noqa: B006
    steps: Annotated[int | None, typer.Option(min=1, help="Batches, instead of the recipe's number.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the state beside the output file ended.")] = False,
    skip_bad: Annotated[bool, typer.Option("--skip-bad", help="Leave out images that cannot be used, and count them.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
) -> None:
    """Train a CDNet by iterative clicks on any number of data sets; under torchrun, every process does its share."""
    from dataclasses import replace

    from cdwidget.model.variants import weights_of
    from cdwidget.train import RECIPES, find_sets, reweighted
    from cdwidget.train import train as run

    chosen = _checked("RECIPE", lookup, RECIPES, recipe, "recipe")
    if steps is not None:
        chosen = replace(chosen, steps=steps)
    if out.suffix != ".safetensors":
        raise typer.BadParameter(f"{out} must end in .safetensors", param_hint="--out")
    folders = _checked("--data", find_sets, data)
    chosen = _checked("--weight", reweighted, chosen, weight, [folder.name for folder in [*folders, *unlabelled]])
    carry_out = partial(
        run, encoder=encoder, start_from=start_from, resume=resume, unlabelled=unlabelled, skip_bad=skip_bad, device=device,
        teacher=None if teacher is None else _checked("--teacher", weights_of, teacher),
    )  # fmt: skip
    typer.echo(f"wrote {_checked('train', carry_out, chosen, folders, out)}")


@app.command("export-onnx")
def export_onnx(
    model: Annotated[str, typer.Argument(help="A model's name or .safetensors file.")],
    out: Annotated[Path, typer.Argument(help="Write the head to this .onnx file, which is a model's file too, and the encoder beside it.")],
) -> None:
    """Write a model as ONNX graphs: an encoder, which runs once a view, and a head, which answers prompts."""
    from cdwidget.model.checkpoint import load_checkpoint
    from cdwidget.model.onnx import export_onnx as export
    from cdwidget.model.variants import weights_of

    network = _checked("MODEL", lambda: load_checkpoint(weights_of(model)))
    for path in _checked("OUT", export, network, out):
        typer.echo(f"wrote {path}, {path.stat().st_size / 1e6:.1f} MB")


Database = Annotated[Path, typer.Argument(help="The file of the catalogue, such as labels.db.")]
FormatName = Annotated[str, typer.Argument(help="coco, labelme, npz, png, rgba, voc or yolo.")]
Tags = Annotated[list[str], typer.Option(help="A tag of the items; repeat it.")]


@app.command("import")
def import_(
    database: Database,
    format: FormatName,
    path: Annotated[Path, typer.Argument(help="The data set: its file or folder.")],
    images: Annotated[Path | None, typer.Option(help="Where the images are, if not where the data set has them.")] = None,
    status: Annotated[str, typer.Option(help="Of all instances: new, accepted, rejected or skipped.")] = "new",
    tag: Tags = [],  # noqa: B006
) -> None:
    """Add a data set to a catalogue, which is made where there is none; images that are known already stay as they are."""
    from cdwidget.review.command import import_set

    typer.echo(_checked("import", import_set, database, format, path, images, status, tag))


@app.command()
def export(
    database: Database,
    format: FormatName,
    path: Annotated[Path, typer.Argument(help="The file or folder to write.")],
    status: Annotated[list[str], typer.Option(help="Only items of this status; repeat it.")] = [],  # noqa: B006
    label: Annotated[list[str], typer.Option(help="Only items with such an instance; repeat it.")] = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    rejected: Annotated[bool, typer.Option("--rejected", help="Write rejected instances too.")] = False,
) -> None:
    """Write the items of a catalogue as a data set."""
    from cdwidget.review.command import export_set

    typer.echo(_checked("export", export_set, database, format, path, status, label, tag, rejected))


@app.command()
def stats(
    database: Database, check: Annotated[bool, typer.Option("--check", help="Look for every image, and list what is wrong.")] = False
) -> None:
    """Say how many there are of what in a catalogue."""
    from cdwidget.review.command import count

    typer.echo(_checked("stats", count, database, check))


Statuses = Annotated[list[str], typer.Option("--status", help="Only items of this status; repeat it.")]
Labels = Annotated[list[str], typer.Option("--label", help="Only items with such an instance; repeat it.")]
ModelName = Annotated[str, typer.Option(help="A model's name, also with @variant, or its file.")]
BackendName = Annotated[str, typer.Option(help="local, or ray, which needs the extra of that name.")]
Workers = Annotated[int, typer.Option(min=1, help="Each loads the model; locally, more than one are processes.")]
Address = Annotated[str | None, typer.Option(help="Of a Ray cluster that this machine is a node of, such as auto.")]
SCORING = "cdnet@no-cascade"  # how the model was asked when the weights of the overall score were fitted
Again = Annotated[bool, typer.Option("--again", help="Do also what has been done.")]


@app.command()
def prelabel(
    database: Database,
    from_: Annotated[str, typer.Option("--from", help="boxes, masks (coarse ones), points or proposals.")] = "boxes",
    points: Annotated[Path | None, typer.Option(help="CSV (path,x,y,label,object,positive) or JSON; else each instance's core.")] = None,
    label: Annotated[str, typer.Option(help="Of new instances that have no other.")] = "",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Make anew also what was accepted, rejected or skipped.")] = False,
    status: Statuses = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    model: ModelName = "cdnet", backend: BackendName = "local", workers: Workers = 1, address: Address = None, again: Again = False,
) -> None:  # fmt: skip
    """Make masks of boxes, coarse masks, points or of the images alone; a run that was stopped goes on where it was."""
    from cdwidget.batch import Prelabel
    from cdwidget.batch.command import run_job

    job = Prelabel(from_, model, points, label, overwrite)
    carry_out = partial(run_job, backend=backend, workers=workers, address=address, again=again)
    typer.echo(_checked("prelabel", carry_out, database, job, status, [], tag))


@app.command()
def score(
    database: Database,
    names: Annotated[str, typer.Option(help="Comma-separated, of cdwidget.review.scoring.SCORES and overall; all by default.")] = "",
    status: Statuses = [],  # noqa: B006
    label: Labels = [],  # noqa: B006
    tag: Tags = [],  # noqa: B006
    model: ModelName = SCORING,
    quick: Annotated[bool, typer.Option("--quick", help="Ask the critic alone, and no model what it makes of clicks.")] = False,
    backend: BackendName = "local", workers: Workers = 1, address: Address = None, again: Again = False,
) -> None:  # fmt: skip
    """Score all masks without ground truth, so that the worst can be looked at first; a run that was stopped goes on where it was."""
    from cdwidget.batch import Score
    from cdwidget.batch.command import run_job

    job = Score([name.strip() for name in names.split(",") if name.strip()] or None, None if quick else model, quick or None)
    carry_out = partial(run_job, backend=backend, workers=workers, address=address, again=again)
    typer.echo(_checked("score", carry_out, database, job, status, label, tag))


@app.command("round")
def round_(
    model: Annotated[str, typer.Argument(help="A model's name or .safetensors file.")],
    data: Data,
    out: Annotated[Path, typer.Option(help="Write the weights to this .safetensors file.")],
    views: Annotated[int, typer.Option(min=1, help="Of training images that are looked at.")] = 64,
) -> None:
    """Make a model a quarter as large: weights of 3 and 4 bits, rounded so that what each layer says of images changes least."""
    from cdwidget.model.checkpoint import load_checkpoint
    from cdwidget.model.variants import weights_of
    from cdwidget.train.rounding import round_weights

    _check_out(out)
    network = _checked("MODEL", lambda: load_checkpoint(weights_of(model)))
    typer.echo(_checked("--data", round_weights, network, data, out, views))


@app.command("fit-scores")
def fit_scores(
    data: Data,
    out: Annotated[Path, typer.Option(help="Write the weights to this .npz file.")],
    model: Annotated[str, typer.Option(help="A model's name or file.")] = SCORING,
    critic: Annotated[Path | None, typer.Option(help="What `cdwidget train-critic` wrote; by default the critic in the package.")] = None,
    masks: Annotated[int, typer.Option(min=40, help="That model and critic are asked about.")] = 900,
    plain: Annotated[int, typer.Option(min=0, help="That they are not asked about; 0: fit what knows the critic alone.")] = 6000,
) -> None:
    """Fit what makes one overall score of all scores, on training sets with masks that are spoilt on purpose."""
    from cdwidget.model.critic import WEIGHTS, load_critic
    from cdwidget.model.variants import load_variant
    from cdwidget.train.scores import fit_scores as fit

    _check_out(out)
    judge = _checked("--critic", load_critic, critic or WEIGHTS)
    typer.echo(_checked("fit-scores", fit, data, _checked("--model", load_variant, model), judge, out, masks, plain))


@app.command("train-detail")
def train_detail(
    data: Data,
    out: Annotated[Path, typer.Option(help="Write the model with its detail branch to this .safetensors file, a log beside it.")],
    model: Annotated[str, typer.Option(help="A model's name or file; all of it stays as it is.")] = "cdnet-tiny",
    views: Annotated[
        int, typer.Option(min=16, help="So many focus views are recorded first, 3 MB each, in folders beside the output.")
    ] = 3000,
    steps: Annotated[int | None, typer.Option(min=1, help="Batches, instead of the recipe's number.")] = None,
    jobs: Jobs = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from the state beside the output file.")] = False,
) -> None:
    """Train the detail branch of focus views on the errors that a model makes on training sets; no GPU is needed."""
    from dataclasses import replace

    from cdwidget.model.variants import weights_of
    from cdwidget.train.detail import DETAIL, prepare
    from cdwidget.train.detail import train_detail as run
    from cdwidget.train.focus_views import collect

    _check_out(out)
    base = _checked("--model", weights_of, model)
    recorded, prepared = out.with_suffix(".views"), out.with_suffix(".prepared")
    _checked("--data", collect, base, data, recorded, views, jobs)
    prepare(base, recorded, prepared)
    typer.echo(run(base, prepared, out, DETAIL if steps is None else replace(DETAIL, steps=steps), resume=resume))


@app.command("train-critic")
def train_critic(
    data: Data,
    out: Annotated[Path, typer.Option(help="Write the weights to this .safetensors file, a log beside it.")],
    steps: Annotated[int | None, typer.Option(min=1, help="Batches, instead of the recipe's number.")] = None,
    start_from: Annotated[Path | None, typer.Option(help="Weights of an earlier run to go on from.")] = None,
    first: Annotated[int, typer.Option(min=0, help="With --start-from: batches that were drawn before, so that others are drawn.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, cuda, or auto: a GPU where there is one.")] = "auto",
) -> None:
    """Train the critic of the scores on training sets with masks that are spoilt on purpose."""
    from dataclasses import replace

    from cdwidget.train.critic import CRITIC
    from cdwidget.train.critic import train_critic as run

    _check_out(out)
    recipe = replace(CRITIC, steps=steps or CRITIC.steps, first=first)
    typer.echo(_checked("--data", run, data, out, recipe, start_from, device))


@app.command("score-quality")
def score_quality(
    data: Data,
    out: Annotated[Path, typer.Option(help="Write all figures to this JSON file, and a CSV with a line a mask beside it.")],
    model: Annotated[str, typer.Option(help="A model's name or file.")] = SCORING,
    masks: Annotated[int, typer.Option(min=40, help="So many, of held-out images, every second one spoilt.")] = 520,
    seed: Seed = 0,
) -> None:
    """Measure how well scores find bad masks, on images of training sets that training leaves out, with masks spoilt on purpose."""
    from cdwidget.model.critic import load_critic
    from cdwidget.model.variants import load_variant
    from cdwidget.train.score_quality import measure_scores, write

    _check_out(out)
    judged = _checked("--data", measure_scores, data, _checked("--model", load_variant, model), load_critic(), masks, seed)
    typer.echo(write(judged, out, model=model, seed=seed))


def _methods(text: str) -> list[Method]:
    """Read comma-separated names of methods; ValueError for one there is not, or for none."""
    from cdwidget.benchmark import PEERS, Method, imported, peer
    from cdwidget.model.variants import fingerprint, load_variant, weights_of

    methods = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name in PEERS:
            methods.append(peer(name))
        elif ":" in name and not name.partition("@")[0].endswith((".safetensors", ".onnx")):
            methods.append(imported(name))
        else:
            weights_of(name, others=PEERS)
            methods.append(Method(name, partial(load_variant, name), fingerprint(name)))
    if not methods:
        raise ValueError("name at least one method")
    return methods


def _trained(recipe: str, steps: int, data: list[Path], out: Path | None, encoder: Path | None) -> list[Path]:
    """Train one part changed at a time, in a folder beside `out`."""
    from cdwidget.train import RECIPES, find_sets, train_ablations

    if out is None:
        raise typer.BadParameter("the trained weights lie beside the figures: say where those go", param_hint="--out")
    chosen = _checked("--model", lookup, RECIPES, "cdnet-tiny-head" if recipe == "cdnet" else recipe, "recipe")
    return _checked("--train", train_ablations, chosen, steps, _checked("--data", find_sets, data), out.with_suffix(".weights"), encoder)


def _checkpoint(path: Path) -> Method:
    """A file of weights as a method of its name."""
    from cdwidget.benchmark import Method
    from cdwidget.model.variants import fingerprint, load_variant

    return Method(path.stem, partial(load_variant, str(path)), fingerprint(str(path)))


def _check_out(out: Path | None) -> None:
    if out is not None and not out.absolute().parent.is_dir():
        raise typer.BadParameter(f"there is no folder {out.absolute().parent} to write to", param_hint="--out")


def _checked(option: str, read: Callable[..., Value], *args: object) -> Value:
    """Call `read`; what a user gave wrong becomes a message about the option instead of a traceback."""
    try:
        return read(*args)
    except (ValueError, OSError, ImportError) as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


def main() -> None:
    """Entry point of the console script."""
    app()
