"""The `Job` protocol, and the jobs `Score` and `Embed`."""

from __future__ import annotations

import hashlib
import os
import traceback
from dataclasses import InitVar, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, ClassVar, Protocol, Sequence, TypeVar, Union

import numpy as np

from cdwidget._deprecated import warn_renamed
from cdwidget.catalogue import OVERALL_SCORE, Catalogue, CatalogueItem
from cdwidget.catalogue.similarity import put_embedding
from cdwidget.predictor import Predictor, QualityModel
from cdwidget.registry import lookup
from cdwidget.scoring import SCORES, Population, score_item
from cdwidget.scoring.network import WEIGHTS
from cdwidget.scoring.registry import QUALITY_SCORES

Model = Union[str, "os.PathLike[str]", Predictor, Callable[[], Predictor], None]
Worker = Callable[[CatalogueItem], Any]
Self = TypeVar("Self")


class Job(Protocol):
    """A computation over every item of a catalogue.

    A job can be pickled, since it is sent to the workers.

    Attributes:
        name: Name in messages and in the history.
        lasting: An item stays done even if its masks change later.
    """

    name: ClassVar[str]
    lasting: ClassVar[bool]

    def setting(self) -> str:
        """Return a text that identifies all inputs of the results except the item.

        Items are processed again when it changes.
        """

    def prepare(self: Self, catalogue: Catalogue) -> Self:
        """Return a copy with all dependencies of `setting` resolved.

        Raises:
            ValueError: If the job cannot run.
            OSError: If a file cannot be read.
        """

    def survey(self: Self, catalogue: Catalogue, progress: bool | None) -> Self:
        """Return a copy with statistics of the whole catalogue.

        Only called if there are items to process.
        """

    def start(self) -> Worker:
        """Load the model and return the function that processes one item.

        The function returns None if there is nothing to do for an item.
        """

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Any) -> bool:
        """Save the result of an item.

        Returns:
            False, without saving, if the item was changed during the job.
        """


@dataclass(frozen=True)
class Outcome:
    """The result of one item, or its error message, and the seconds it took."""

    result: Any = None
    error: str | None = None
    seconds: float = 0.0


def process(worker: Worker, item: CatalogueItem) -> Outcome:
    """Call a worker and turn any exception into an outcome, so that one bad image does not end the job."""
    started = perf_counter()
    try:
        return Outcome(worker(item), None, perf_counter() - started)
    except (ValueError, OSError) as error:  # These messages are written for users.
        return Outcome(None, str(error), perf_counter() - started)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
        return Outcome(None, f"{type(error).__name__}: {error} ({where})", perf_counter() - started)


@dataclass(frozen=True)
class Score:
    """Score all instances without ground truth, see `cdwidget.scoring`.

    Args:
        names: Names of `SCORES`, and "overall"; None for all.
        model: Segmentation model: a name, optionally with @variant, a weights file, a predictor, or a function that builds one; None skips
            the scores that predict masks. The default is the variant that the overall score was fitted with.
        quality: Use the quality model; by default if there is a segmentation model. True with `model=None` uses it alone, which is fast.
        population: Statistics with which instances are compared; by default the catalogue's. The appearance of its classes is
            learned from some of the images first, at a tenth of a second each.
        critic: Deprecated name of `quality`.

    Example:
        >>> cdwidget.run(cdwidget.Score(), catalogue)
        >>> cdwidget.run(cdwidget.Score(model=None, quality=True), catalogue)  # Fast: the quality model alone.
    """

    names: Sequence[str] | None = None
    model: Model = "cdnet@no-cascade"
    quality: bool | None = None
    population: Population | None = None
    critic: InitVar[bool | None] = None

    name: ClassVar[str] = "score"
    lasting: ClassVar[bool] = False

    def __post_init__(self, critic: bool | None) -> None:
        if critic is not None:
            warn_renamed("Score(critic=...)", "Score(quality=...)", stacklevel=4)
            object.__setattr__(self, "quality", critic)

    def setting(self) -> str:
        """Return the names of the scores and fingerprints of all weights."""
        quality = f", critic {_quality_fingerprint()}" if self._uses_quality() else ""
        overall = f", overall {_digest(WEIGHTS)}" if self._wants(OVERALL_SCORE) else ""
        return f"{'all' if self.names is None else ','.join(sorted(self.names))} by {fingerprint_of(self.model)}{quality}{overall}"

    def prepare(self, catalogue: Catalogue) -> Score:
        """Check the names."""
        for name in self.names or ():
            lookup({**SCORES, OVERALL_SCORE: None}, name, "score")
        return self

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Score:
        """Collect the statistics of the catalogue's classes."""
        if self.population is not None:
            return self
        quality_model = _load_quality_model() if self._uses_quality() and self._wants("appearance", OVERALL_SCORE) else None
        return replace(self, population=Population.from_catalogue(catalogue, quality_model, progress))

    def start(self) -> Worker:
        """Load the segmentation and quality models."""
        predictor = load(self.model)
        quality_model = _load_quality_model() if self._uses_quality() else None

        def score(item: CatalogueItem) -> Any:
            return score_item(item, predictor, self.population, self.names, quality_model=quality_model) if item.records else []

        return score

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Any) -> bool:
        """Replace the scores of the same names; scores that no longer apply are removed."""
        return catalogue.put_scores(item.id, result, item.version, [*SCORES, OVERALL_SCORE] if self.names is None else self.names)

    def _uses_quality(self) -> bool:
        return self._wants(*QUALITY_SCORES, OVERALL_SCORE) and (self.model is not None if self.quality is None else self.quality)

    def _wants(self, *names: str) -> bool:
        """Return whether any of these scores is requested."""
        return self.names is None or not set(names).isdisjoint(self.names)


def _load_quality_model() -> QualityModel:
    from cdwidget.model.quality import load_quality_model

    return load_quality_model()


def _quality_fingerprint() -> str:
    from cdwidget.model import quality

    return _digest(quality.WEIGHTS)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load(model: Model) -> Predictor | None:
    """Return the predictor for a `Model`: a name, a file, a predictor or a function that builds one."""
    if model is None:
        return None
    if isinstance(model, (str, os.PathLike)):
        from cdwidget.model.variants import load_variant

        return load_variant(os.fspath(model))
    predictor: Predictor = model() if isinstance(model, type) or not hasattr(model, "predict") else model  # type: ignore[assignment]
    return predictor


def fingerprint_of(model: Model) -> str:
    """Return a text that changes when a model's predictions do; raise ValueError or FileNotFoundError if there is no such model."""
    if isinstance(model, (str, os.PathLike)):
        from cdwidget.model.variants import fingerprint

        return fingerprint(os.fspath(model))
    if model is None:
        return "no model"
    kind = model if hasattr(model, "__qualname__") else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"


@dataclass(frozen=True)
class Embed:
    """Store an embedding of each image in the catalogue.

    `Subset.diverse` and the EmbeddingMap use them.

    Args:
        model: As for `Score`; a predictor needs a method embed(image) that returns float32 (D,).

    Example:
        >>> cdwidget.run(cdwidget.Embed(), catalogue)
    """

    model: Model = "cdnet"

    name: ClassVar[str] = "embed"
    lasting: ClassVar[bool] = True

    def setting(self) -> str:
        """Return a fingerprint of the weights."""
        return fingerprint_of(self.model)

    def prepare(self, catalogue: Catalogue) -> Embed:
        """Return the job: it depends on nothing else."""
        return self

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Embed:
        """Return the job: it needs no statistics."""
        return self

    def start(self) -> Worker:
        """Load the model."""
        predictor = load(self.model)
        embed = getattr(predictor, "embed", None)
        if embed is None:
            raise ValueError(f"{type(predictor).__name__} has no method embed(image); use the packaged model: Embed()")

        def embed_item(item: CatalogueItem) -> np.ndarray:
            vector: np.ndarray = embed(item.read_image())
            return vector

        return embed_item

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: np.ndarray) -> bool:
        """Store the embedding, replacing an older one."""
        put_embedding(catalogue, item.id, result, self.setting())
        return True
