"""The job that describes images by vectors, to be compared."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from cdwidget.batch.jobs import Model, Worker, fingerprint_of, load
from cdwidget.review import Catalogue, CatalogueItem
from cdwidget.review.embeddings import put_embedding


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
