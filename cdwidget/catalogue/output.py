"""What a catalogue is turned into: counts, data frames, figures, data sets and PyTorch data sets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

import numpy as np

from cdwidget.catalogue.export import dataset_fields, export_items
from cdwidget.catalogue.query import RowKind
from cdwidget.catalogue.reader import Reader
from cdwidget.catalogue.statistics import Stats, compute_stats, rows_to_pandas
from cdwidget.formats import FORMATS
from cdwidget.registry import lookup

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

    from cdwidget.catalogue.torch_dataset import TorchDataset


class Exporter(Reader):
    """Summarizes and exports the content of a catalogue."""

    def stats(self) -> Stats:
        """Return counts of items, instances, labels, tags, scores and changes."""
        return compute_stats(self.database)

    def to_pandas(self, of: RowKind = "instances", **filters: Any) -> pandas.DataFrame:
        """Return the rows of a query as a data frame, with a column per score.

        Args:
            of: "items" or "instances".
            filters: Arguments of `query`.

        Raises:
            ModuleNotFoundError: If pandas is not installed.
        """
        rows = self.query(of=of, limit=None, **filters)
        return rows_to_pandas(self.database, of, rows)

    def figure(self, kind: str) -> Figure:
        """Draw a matplotlib figure.

        Args:
            kind: "scores", "labels", "sizes" or "effort" (prompts and seconds per object).

        Raises:
            ValueError: If the kind does not exist.
        """
        from cdwidget.catalogue.plots import draw_figure  # matplotlib takes long to import.

        return draw_figure(self.database, kind)

    def export(
        self, format: str, path: str | os.PathLike[str], *, rejected: bool = False,
        classes: Sequence[str] | Mapping[str, int] | None = None, **options: Any,
    ) -> Path:  # fmt: skip
        """Write the items of a query as a data set.

        Items whose image the format needs and that is not available are omitted with a warning. Fields that were imported from the same
        format are written back.

        Args:
            format: A name of `cdwidget.formats.FORMATS`.
            path: The file or folder to write.
            rejected: Write rejected instances too.
            classes: Classes in the order of their numbers, or with their numbers, also unused ones; None for those of `classes()`.
            options: `status`, `label`, `tag`, `where` as for `query`, or `ids` of items; all others are options of the format.

        Returns:
            The path of the written file or folder.

        Example:
            >>> catalogue.export("coco", "out/", status="accepted")
        """
        filters = {name: options.pop(name) for name in ("status", "label", "tag", "where") if name in options}
        items = self.items(options.pop("ids", None), **filters)
        if lookup(FORMATS, format, "format").has_class_ids:
            numbered = self.class_numbers(format) if classes is None else classes
            if numbered and (classes is not None or "labels" not in options):
                options["labels"] = numbered
        elif classes is not None:
            formats = ", ".join(name for name, kind in FORMATS.items() if kind.has_class_ids)
            raise ValueError(f"{format} does not number its classes, so classes= has no effect; it is for {formats}")
        return export_items(items, format, Path(path).expanduser(), rejected, dataset_fields(self.database, format), options)

    def class_numbers(self, format: str) -> dict[str, int] | list[str]:
        """Return the classes for an export: with their numbers if these are of the format, else in their order."""
        classes = self.classes()
        others = self.database.rows("SELECT 1 FROM datasets WHERE format NOT IN ('', ?) LIMIT 1", (format,))
        return list(classes) if others else classes

    def to_torch(
        self, ids: Iterable[int] | None = None, *, classes: Sequence[str] | Mapping[str, int] | None = None,
        transforms: Callable[..., Any] | None = None, rejected: bool = False, **filters: Any,
    ) -> TorchDataset:  # fmt: skip
        """Return items as a `torch.utils.data.Dataset` with targets for torchvision's detection models.

        A sample is an image, float32 (3, H, W) RGB in [0, 1], and a dict: boxes float32 (N, 4) as x0, y0, x1, y1; labels int64 (N,); masks
        uint8 (N, H, W); area float32 (N,); iscrowd int64 (N,); image_id, the item's id. Empty masks are left out.

        Args:
            ids: Item ids; None for the items of a query.
            classes: Labels in the order of their numbers from 1, or with their numbers; instances with other labels are left out. None
                for all classes in the order of their numbers, else sorted. 0 is the background.
            transforms: Called with image and target; returns both.
            rejected: Include rejected instances.
            filters: `status`, `label`, `tag`, `where` as for `query`.

        Returns:
            The data set; its `collate` is the `collate_fn` of a DataLoader.

        Raises:
            ModuleNotFoundError: If PyTorch is not installed.

        Example:
            >>> data = catalogue.to_torch(status="accepted")
            >>> loader = torch.utils.data.DataLoader(data, batch_size=2, collate_fn=data.collate)
        """
        from cdwidget.catalogue.torch_dataset import TorchDataset  # PyTorch takes long to import.

        if classes is None:
            used = [label for label in self.labels() if label]
            numbers = self.classes()
            classes = sorted(used, key=lambda label: (numbers.get(label, np.inf), label))
        numbered = dict(classes) if isinstance(classes, Mapping) else {label: number for number, label in enumerate(classes, 1)}
        chosen = self.ids(**filters) if ids is None else np.fromiter(ids, np.int64)
        return TorchDataset(self, chosen, numbered, transforms, rejected)
