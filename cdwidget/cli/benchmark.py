"""`cdwidget benchmark` and `ablate`."""

from __future__ import annotations

from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Sequence

import typer

from cdwidget._version import __version__
from cdwidget.cli.options import Data, Seed, check_out, checked, echo
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import numpy as np

    from cdwidget.benchmark import Method, Options
    from cdwidget.benchmark.examples import LabeledSet, Search
    from cdwidget.benchmark.protocol import Target
    from cdwidget.formats.dataset_folders import DatasetImage

Out = Annotated[
    Path | None,
    typer.Option(
        help="Write all figures to this JSON file, in the modes click, human, box, stroke and edit with a CSV and a plot next to it. "
        "A rerun resumes, except with --mode example."
    ),
]
HeldOut = Annotated[bool, typer.Option("--held-out", help="The data are training sets: use objects of the images held out from training.")]
Objects = Annotated[int, typer.Option(min=1, help="With --held-out: number of objects, spread evenly over the sets.")]
Limit = Annotated[int | None, typer.Option(min=1, help="Use only the first images of each folder.")]
ModeName = Annotated[
    str,
    typer.Option(
        help="click, human (anywhere in the error), box (a box first), stroke, edit (start from a mask of IoU 0.75-0.85), candidates "
        "(the suggestions after one click), follow (through sequences made from the photographs), or example (propose all objects of a "
        "class from one of them)."
    ),
]
MaxClicks = Annotated[int, typer.Option(min=1, help="Maximum number of prompts per object.")]
Jobs = Annotated[int, typer.Option(min=1, help="Number of processes; with more than one, seconds are not comparable.")]
Title = Annotated[str, typer.Option(help="Title of tables and plots.")]

HUMAN_REPEATS = 10  # runs


def benchmark(
    data: Data = [],  # noqa: B006
    methods: Annotated[
        str | None,
        typer.Option(
            help="Comma-separated: a model name or file, optionally with @variant; grabcut, random-walker; module:factory. Default: "
            "cdnet,grabcut. With --mode example: example, template, histogram or automatic; default: all."
        ),
    ] = None,
    out: Out = None, held_out: HeldOut = False, objects: Objects = 320, seed: Seed = 0, limit: Limit = None, mode: ModeName = "click",
    max_clicks: MaxClicks = 20,
    plain: Annotated[bool, typer.Option("--plain", help="Call the model directly, without a session's progressive merge.")] = False,
    jobs: Jobs = 1,
    latency: Annotated[bool, typer.Option("--latency", help="Measure encoding, clicks and memory on one photograph.")] = False,
    size: Annotated[str, typer.Option(help="Sizes of that photograph, comma-separated.")] = "1000x1000",
    title: Title = "",
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Runs with different seeds, compared by NoC. Default: 10 with --mode human, else 1.")
    ] = None,
    frames: Annotated[int, typer.Option(min=2, help="With --mode follow: number of frames of each sequence.")] = 50,
    examples: Annotated[
        str, typer.Option(help="With --mode example: search other images, with these numbers of examples of a class, such as 1,5,20.")
    ] = "",
) -> None:  # fmt: skip
    """Compare methods by the same clicks: number of clicks (NoC, NoF, IoU@k) on folders, or latency on a photograph."""
    from cdwidget.benchmark import Options

    if not data and not latency:
        raise typer.BadParameter("choose a measurement: --data DIR, --latency or both")
    check_out(out)
    if mode == "follow":
        targets = checked("--data", read_objects, data, held_out, objects, seed, limit)
        echo(measure_following(targets, frames, seed, out, title))
        return
    if mode == "example" and examples:
        counts = checked("--examples", read_counts, examples)
        echo(measure_across(checked("--data", read_sets_with_classes, data, held_out), counts, out, title))
        return
    if mode == "example":
        images = checked("--data", read_searched_images, data, held_out, limit)
        searches = checked("--methods", example_searches, methods)
        echo(measure_examples(searches, images, out, title))
        return
    if mode == "candidates":
        targets = checked("--data", read_objects, data, held_out, objects, seed, limit)
        chosen = checked("--methods", _methods, methods or "cdnet,grabcut")
        echo(measure_candidates(chosen, targets, out, title))
        return
    options = checked("--mode", Options, mode, max_clicks, plain, seed)
    sizes = checked("--size", read_sizes, size) if latency else []
    targets = checked("--data", read_objects, data, held_out, objects, seed, limit)
    chosen = checked("--methods", _methods, methods or "cdnet,grabcut")
    repeats = (HUMAN_REPEATS if mode == "human" else 1) if repeats is None else repeats
    echo(measure(chosen, targets, options, sizes=sizes, jobs=jobs, out=out, title=title, repeats=repeats))


def ablate(
    data: Data,
    model: Annotated[str, typer.Option(help="Model name or file.")] = "cdnet",
    weights: Annotated[list[Path], typer.Option(help="Another checkpoint to compare, such as one trained without FDM. Repeatable.")] = [],  # noqa: B006
    train: Annotated[
        int | None, typer.Option(min=1, help="Train the recipe MODEL for this many batches instead, with one part changed at a time.")
    ] = None,
    leave_out: Annotated[
        list[str],
        typer.Option(help="With --train: train without these data sets instead, such as CamVid or CamVid,LabelMeFacade. Repeatable."),
    ] = [],  # noqa: B006
    encoder: Annotated[Path | None, typer.Option(help="With --train: pre-trained encoder weights.")] = None,
    out: Out = None, held_out: HeldOut = False, objects: Objects = 320, seed: Seed = 0, limit: Limit = None, mode: ModeName = "click",
    max_clicks: MaxClicks = 20, jobs: Jobs = 1, title: Title = "",
) -> None:  # fmt: skip
    """Measure the effect of each part on the number of clicks, changing one part at a time.

    By default the parts of inference (PDM, zoom-in, flip, previous mask); with --train the parts of the network (FDM, diversified training,
    previous mask, click encoding); with --train and --leave-out the data sets.
    """
    from cdwidget.benchmark import Options
    from cdwidget.model.variants import ablations

    options = checked("--mode", Options, mode, max_clicks, False, seed)
    targets = checked("--data", read_objects, data, held_out, objects, seed, limit)
    check_out(out)
    if train is None and leave_out:
        raise typer.BadParameter(
            "--leave-out needs --train NUMBER: without a data set, the network has to be trained", param_hint="--leave-out"
        )
    if train is not None:
        weights = [*_train_ablations(model, train, leave_out, data, out, encoder), *weights]
        chosen = [_checkpoint_method(path) for path in weights]
    else:
        names = [model, *(f"{model}@{variant}" for variant in checked("--model", ablations, model)), *map(str, weights)]
        chosen = checked("--weights", _methods, ",".join(names))
    echo(measure(chosen, targets, options, jobs=jobs, out=out, compare=True, title=title))


def read_objects(data: Sequence[Path], held_out: bool = False, objects: int = 320, seed: int = 0, limit: int | None = None) -> list[Target]:
    """List the objects to segment: all of benchmark folders (of their first `limit` images), or `objects` that training held out."""
    from cdwidget.formats.dataset_folders import read_benchmark_objects, sample_held_out_objects

    if held_out:
        return [*sample_held_out_objects(data, objects, seed)]
    return [target for folder in data for target in read_benchmark_objects(folder, limit)]


def read_sizes(text: str) -> list[tuple[int, int]]:
    """Parse "512x512,1000x1000" into (width, height) pairs; raise ValueError for anything else or a side below 16."""
    sizes = []
    for part in text.split(","):
        width, cross, height = part.strip().partition("x")
        if not (cross and width.isdecimal() and height.isdecimal() and min(int(width), int(height)) >= 16):
            raise ValueError(f"{part.strip()!r} is not a size; write WIDTHxHEIGHT in pixels, each at least 16, such as 1000x1000")
        sizes.append((int(width), int(height)))
    return sizes


def measure(
    methods: Sequence[Method], targets: Sequence[Target], options: Options, *, sizes: Sequence[tuple[int, int]] = (), jobs: int = 1,
    out: Path | None = None, compare: bool = False, title: str = "", repeats: int = 1,
) -> str:  # fmt: skip
    """Run a benchmark and return the tables to print.

    Args:
        methods: The methods to compare.
        targets: Objects to segment.
        options: Options of the protocol, the same for every object.
        sizes: (width, height) of the photographs on which latency is measured.
        jobs: Number of processes.
        out: JSON file for all figures; a CSV and a PNG of the same name are written next to it, and a JSONL record while it runs.
        compare: Add the difference of each method to the first one.
        title: Title of tables and plots.
        repeats: Number of runs. Each adds one to the seed; all tables except that of the spread are of the first run.
    """
    from cdwidget.benchmark import measure_in_new_process, noc_table, plot_iou, run_all, write_csv, write_json
    from cdwidget.benchmark.report import (
        boundary_table,
        difference_table,
        group_table,
        iou_table,
        latency_table,
        noc_spread,
        spread_table,
        tolerant_table,
    )

    seeds = range(options.seed, options.seed + repeats) if targets else ()
    runs = [run_all(methods, targets, replace(options, seed=seed), jobs=jobs, record=_record_path(out)) for seed in seeds]
    results = runs[0] if runs else []
    latencies = [measure_in_new_process(method, width, height) for width, height in sizes for method in methods]
    tables = []
    if results:
        tables.append(noc_table(results))
        if len(results[0].by_group()) > 1:
            tables += [group_table(results), iou_table(results)]
        tables += [tolerant_table(results), boundary_table(results)]
        if repeats > 1:
            tables.append(spread_table(runs))
        if compare:
            tables.append(difference_table(results))
    if latencies:
        tables.append(latency_table(latencies))
    if out is not None:
        kind = "ablation" if compare else "benchmark"
        about = {"cdwidget": __version__, "title": title, "kind": kind, "jobs": jobs, **asdict(options)}
        if repeats > 1:
            about |= {"repeats": repeats, "spread": noc_spread(runs)}
        write_json(out, results, latencies, **about)
        if results:
            write_csv(out.with_suffix(".csv"), results)
            plot_iou(out.with_suffix(".png"), results, title)
    return "\n\n".join(tables)


def measure_candidates(methods: Sequence[Method], targets: Sequence[Target], out: Path | None, title: str) -> str:
    """Collect the candidates of each object after one click, and return the table to print.

    Args:
        methods: The methods to compare.
        targets: Objects to click.
        out: JSON file for all figures, or None.
        title: Title stored in it.
    """
    from cdwidget.benchmark.candidates import benchmark_candidates, candidates_table, summarize_candidates
    from cdwidget.benchmark.results import write_runs

    runs = benchmark_candidates(methods, targets, record=_record_path(out))
    if out is not None:
        write_runs(out, runs, summarize_candidates(runs), cdwidget=__version__, title=title, kind="candidates")
    return candidates_table(runs)


def measure_following(targets: Sequence[Target], frames: int, seed: int, out: Path | None, title: str) -> str:
    """Carry objects through sequences, and return the table to print.

    Args:
        targets: Objects to follow.
        frames: Number of frames of each sequence.
        seed: Seed of the sequences.
        out: JSON file for all figures, or None.
        title: Title stored in it.
    """
    from cdwidget.benchmark.follow import benchmark_following, follow_table, summarize
    from cdwidget.benchmark.results import write_runs
    from cdwidget.model import load_predictor
    from cdwidget.model.quality import load_quality_model
    from cdwidget.model.variants import fingerprint

    predictor = load_predictor()
    runs = benchmark_following(
        targets, predictor, predictor.twin(), load_quality_model(), frames, seed, fingerprint=fingerprint("cdnet"), record=_record_path(out)
    )
    if out is not None:
        write_runs(out, runs, summarize(runs), cdwidget=__version__, title=title, kind="follow", frames=frames, seed=seed)
    return follow_table(summarize(runs))


def read_searched_images(data: Sequence[Path], held_out: bool, limit: int | None) -> list[tuple[str, DatasetImage]]:
    """List the images to search for objects like an example; raise ValueError if there are none."""
    from cdwidget.benchmark.examples import read_images

    images = read_images(data, held_out, limit)
    if not images:
        raise ValueError("there are no images to search; leave out --held-out, or add data sets")
    return images


def example_searches(names: str | None) -> dict[str, Search]:
    """Return the searches with comma-separated names, or all for None; raise ValueError for an unknown name."""
    from cdwidget.batch.proposals import Search as ProposalGrid
    from cdwidget.batch.proposals import propose
    from cdwidget.benchmark.examples import example_search
    from cdwidget.benchmark.matching import Found, match_histogram, match_template, without_duplicates
    from cdwidget.masks import Patch
    from cdwidget.model import load_predictor

    predictor = load_predictor()

    def automatic(image: np.ndarray, mask: np.ndarray) -> list[Found]:
        predictor.set_image(image)
        found = [Found(Patch.of(one), quality) for one, quality in propose(predictor, image, ProposalGrid())]
        return without_duplicates(found, [Patch.of(mask)])

    known = {"example": example_search(predictor), "template": match_template, "histogram": match_histogram, "automatic": automatic}
    return {name: lookup(known, name, "search") for name in ([part.strip() for part in names.split(",")] if names else known)}


def measure_examples(searches: dict[str, Search], images: Sequence[tuple[str, DatasetImage]], out: Path | None, title: str) -> str:
    """Search images for the objects of each class from one of them, and return the table to print.

    Args:
        searches: The methods by name.
        images: The name of a data set and one of its images.
        out: JSON file for all figures, or None.
        title: Title stored in it.
    """
    from cdwidget.benchmark.examples import benchmark_examples, search_table, summarize_searches
    from cdwidget.benchmark.results import write_runs
    from cdwidget.train.config import DatasetSettings

    runs = benchmark_examples(searches, images, DatasetSettings.read().classes)
    if not runs:
        raise typer.BadParameter("no image has enough objects of one class; add data sets", param_hint="--data")
    if out is not None:
        write_runs(out, runs, summarize_searches(runs), cdwidget=__version__, title=title, kind="example")
    return search_table(runs)


def read_counts(text: str) -> list[int]:
    """Parse increasing numbers such as "1,5,20"; raise ValueError for anything else."""
    counts = [int(part) if part.strip().isdecimal() else 0 for part in text.split(",")]
    if counts != sorted(set(counts)) or counts[0] < 1:
        raise ValueError(f"{text!r} is no increasing list of numbers; give for example 1,5,20")
    return counts


def read_sets_with_classes(data: Sequence[Path], held_out: bool) -> list[LabeledSet]:
    """Read the data sets whose objects have classes; raise ValueError if there are none."""
    from cdwidget.benchmark.examples import read_labeled_sets
    from cdwidget.train.config import DatasetSettings

    sets = read_labeled_sets(data, DatasetSettings.read().classes.class_maps, held_out)
    if not sets:
        raise ValueError("no data set has class labels; add one with annotations.json")
    return sets


def measure_across(sets: Sequence[LabeledSet], counts: Sequence[int], out: Path | None, title: str) -> str:
    """Search images with examples from other images, and return the table to print.

    Args:
        sets: The data sets.
        counts: Numbers of examples.
        out: JSON file for all figures, or None.
        title: Title stored in it.
    """
    from cdwidget.benchmark.examples import benchmark_across, search_table, summarize_searches
    from cdwidget.benchmark.results import write_runs
    from cdwidget.model import load_predictor

    runs = benchmark_across(load_predictor(), counts, sets)
    if not runs:
        raise typer.BadParameter(
            f"no class is in more than {counts[0]} images; add data sets, or ask for fewer examples", param_hint="--data"
        )
    if out is not None:
        write_runs(out, runs, summarize_searches(runs), cdwidget=__version__, title=title, kind="example", examples=list(counts))
    return search_table(runs)


def _record_path(out: Path | None) -> Path | None:
    return None if out is None else out.with_suffix(".jsonl")


def _methods(text: str) -> list[Method]:
    """Parse comma-separated names of methods; raise ValueError for an unknown name, or for none."""
    from cdwidget.benchmark import BASELINES, Method, baseline, import_method
    from cdwidget.model.variants import fingerprint, load_variant, weights_of

    methods = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name in BASELINES:
            methods.append(baseline(name))
        elif ":" in name and not name.partition("@")[0].endswith((".safetensors", ".onnx")):
            methods.append(import_method(name))
        else:
            weights_of(name, others=BASELINES)
            methods.append(Method(name, partial(load_variant, name), fingerprint(name)))
    if not methods:
        raise ValueError("name at least one method")
    return methods


def _train_ablations(recipe: str, steps: int, left_out: list[str], data: list[Path], out: Path | None, encoder: Path | None) -> list[Path]:
    """Train with one part changed, or some data sets left out, at a time; in a folder next to `out`."""
    from cdwidget.train import RECIPES, data_ablations, find_datasets, network_ablations, train_ablations

    if out is None:
        raise typer.BadParameter("--train needs --out FILE.json: the trained weights are written next to the figures", param_hint="--out")
    chosen = checked("--model", lookup, RECIPES, "cdnet-tiny-head" if recipe == "cdnet" else recipe, "recipe")
    folders = checked("--data", find_datasets, data)
    if left_out:
        recipes = checked("--leave-out", data_ablations, chosen, left_out, [folder.name for folder in folders])
    else:
        recipes = network_ablations(chosen)
    return checked("--train", train_ablations, recipes, steps, folders, out.with_suffix(".weights"), encoder)


def _checkpoint_method(path: Path) -> Method:
    """Return a weights file as a method named after it."""
    from cdwidget.benchmark import Method
    from cdwidget.model.variants import fingerprint, load_variant

    return Method(path.stem, partial(load_variant, str(path)), fingerprint(str(path)))
