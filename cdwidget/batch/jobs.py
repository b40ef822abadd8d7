"""What a job is, and the one that scores."""

from __future__ import annotations

import hashlib
import os
import traceback
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Callable, ClassVar, Protocol, Sequence, TypeVar, Union

import numpy as np

from cdwidget.catalogue import OVERALL, Catalogue, CatalogueItem
from cdwidget.catalogue.similarity import put_embedding
from cdwidget.predictor import Critic, Predictor
from cdwidget.registry import lookup
from cdwidget.scoring import SCORES, Population, score_item
from cdwidget.scoring.network import WEIGHTS
from cdwidget.scoring.registry import JUDGING

Model = Union[str, "os.PathLike[str]", Predictor, Callable[[], Predictor], None]
Worker = Callable[[CatalogueItem], Any]
Self = TypeVar("Self")


class Job(Protocol):
    """What is done to every item; a value that can be pickled, for it goes to where the workers are.

    name: what it is called in messages and in the history. lasting: it is done once, whatever becomes of the item afterwards.
    """

    name: ClassVar[str]
    lasting: ClassVar[bool]

    def setting(self) -> str:
        """Return all that its results depend on, besides the item: where that is another one, the job is done anew."""

    def prepare(self: Self, catalogue: Catalogue) -> Self:
        """Return the job with all that its setting hangs on; ValueError or OSError when it cannot be done."""

    def survey(self: Self, catalogue: Catalogue, progress: bool | None) -> Self:
        """Return the job with what else it must know of the whole catalogue; only called when there is something to do."""

    def start(self) -> Worker:
        """Load the model, and return what is called with one item after the other; None as its answer: there was nothing to do."""

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Any) -> bool:
        """Write what the worker made of an item; False when somebody has changed the item meanwhile, and nothing was written."""


@dataclass(frozen=True)
class Outcome:
    """What a worker made of an item. error: what went wrong, in words. seconds: how long it took."""

    result: Any = None
    error: str | None = None
    seconds: float = 0.0


def attempt(work: Worker, item: CatalogueItem) -> Outcome:
    """Call a worker; whatever it raises is an outcome, so that one bad image does not end the job."""
    began = perf_counter()
    try:
        return Outcome(work(item), None, perf_counter() - began)
    except (ValueError, OSError) as error:  # written for users
        return Outcome(None, str(error), perf_counter() - began)
    except Exception as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{os.path.basename(frame.filename)}, line {frame.lineno}"
        return Outcome(None, f"{type(error).__name__}: {error} ({where})", perf_counter() - began)


@dataclass(frozen=True)
class Score:
    """The job that scores all instances of an item without ground truth; see `cdwidget.scoring`.

    names: of SCORES, and "overall"; by default all. model: a name, also with @variant, or a file, as for `cdwidget benchmark`; a predictor,
    or what makes one when it is called; None for the scores that need no network; by default cdnet as it was asked when the weights of the
    overall score were fitted, without cascade. critic: whether the critic is asked, by default where there is a model; with True and no
    model it is asked alone, which is quick. population: what the instances are compared with, by default those of the catalogue; what its
    classes look like is learned from some of the images, a tenth of a second each, before the first is scored.
    """

    names: Sequence[str] | None = None
    model: Model = "cdnet@no-cascade"
    critic: bool | None = None
    population: Population | None = None

    name: ClassVar[str] = "score"
    lasting: ClassVar[bool] = False

    def setting(self) -> str:
        """The scores, and the weights."""
        critic = f", critic {_critics_weights()}" if self._asks_critic() else ""
        overall = f", overall {_digest(WEIGHTS)}" if self._wants(OVERALL) else ""
        return f"{'all' if self.names is None else ','.join(sorted(self.names))} by {fingerprint_of(self.model)}{critic}{overall}"

    def prepare(self, catalogue: Catalogue) -> Score:
        """Look up the names."""
        for name in self.names or ():
            lookup({**SCORES, OVERALL: None}, name, "score")
        return self

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Score:
        """See what the classes of the catalogue are like."""
        if self.population is not None:
            return self
        critic = _load_critic() if self._asks_critic() and self._wants("appearance", OVERALL) else None
        return replace(self, population=Population.of(catalogue, critic, progress))

    def start(self) -> Worker:
        """Load the model, and the critic."""
        predictor = load(self.model)
        critic = _load_critic() if self._asks_critic() else None

        def score(item: CatalogueItem) -> Any:
            return score_item(item, predictor, self.population, self.names, critic=critic) if item.records else []

        return score

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: Any) -> bool:
        """Put the scores in place of those of the same names; what is not given this time is gone."""
        return catalogue.put_scores(item.id, result, item.version, [*SCORES, OVERALL] if self.names is None else self.names)

    def _asks_critic(self) -> bool:
        return self._wants(*JUDGING, OVERALL) and (self.model is not None if self.critic is None else self.critic)

    def _wants(self, *names: str) -> bool:
        """Whether any of these scores is to be given."""
        return self.names is None or not set(names).isdisjoint(self.names)


def _load_critic() -> Critic:
    from cdwidget.model.quality import load_critic

    return load_critic()


def _critics_weights() -> str:
    from cdwidget.model import quality as critic

    return _digest(critic.WEIGHTS)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def load(model: Model) -> Predictor | None:
    """Return the predictor that a model means."""
    if model is None:
        return None
    if isinstance(model, (str, os.PathLike)):
        from cdwidget.model.variants import load_variant

        return load_variant(os.fspath(model))
    made: Predictor = model() if isinstance(model, type) or not hasattr(model, "predict") else model  # type: ignore[assignment]
    return made


def fingerprint_of(model: Model) -> str:
    """What tells one model's answers from another's, as far as can be known; ValueError or FileNotFoundError when there is none."""
    if isinstance(model, (str, os.PathLike)):
        from cdwidget.model.variants import fingerprint

        return fingerprint(os.fspath(model))
    if model is None:
        return "no model"
    kind = model if hasattr(model, "__qualname__") else type(model)
    return f"{kind.__module__}.{kind.__qualname__}"


# MERGED from batch.embed: The job that describes images by vectors, to be compared.


@dataclass(frozen=True)
class Embed:
    """The job that keeps an embedding of each image in the catalogue, for `Subset.diverse` and the EmbeddingMap.

    model: as for `Score`; a predictor needs the method embed(image), float32 (D,). Once made it stays, whatever becomes of the masks.

    >>> cdwidget.run(cdwidget.Embed(), catalogue)
    """

    model: Model = "cdnet"

    name: ClassVar[str] = "embed"
    lasting: ClassVar[bool] = True

    def setting(self) -> str:
        """The weights."""
        return fingerprint_of(self.model)

    def prepare(self, catalogue: Catalogue) -> Embed:
        """Nothing needs to be known of the catalogue."""
        return self

    def survey(self, catalogue: Catalogue, progress: bool | None) -> Embed:
        """Nor when there is something to do."""
        return self

    def start(self) -> Worker:
        """Load the model."""
        predictor = load(self.model)
        embed = getattr(predictor, "embed", None)
        if embed is None:
            raise ValueError(f"{type(predictor).__name__} has no method embed(image); the embedded model has: Embed()")

        def work(item: CatalogueItem) -> np.ndarray:
            vector: np.ndarray = embed(item.read_image())
            return vector

        return work

    def keep(self, catalogue: Catalogue, item: CatalogueItem, result: np.ndarray) -> bool:
        """Put the embedding in place of an older one."""
        put_embedding(catalogue, item.id, result, self.setting())
        return True
