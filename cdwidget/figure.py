"""A matplotlib figure that notebooks show by themselves, made without pyplot: nothing is kept, nothing opens a window."""

from __future__ import annotations

from io import BytesIO

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


class InlineFigure(Figure):
    """A Figure that a notebook shows by itself; one made without pyplot would be printed as text."""

    def _repr_png_(self) -> bytes:
        file = BytesIO()
        FigureCanvasAgg(self)
        self.savefig(file, format="png", dpi=100)
        return file.getvalue()
