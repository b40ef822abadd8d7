"""What all widgets with a page of their own share: traits that page, cells and threads may set at the same time."""

from __future__ import annotations

from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, Mapping

import anywidget
import traitlets as t

from cdwidget.registry import lookup

STATIC = Path(__file__).parents[1] / "static"


def bundled(name: str) -> str:
    """Return a file that `npm run build` has made. Of a path, anywidget keeps every widget for ever, to tell it when the file changes."""
    return (STATIC / name).read_text(encoding="utf-8")


class SharedWidget(anywidget.AnyWidget):
    """A widget whose traits may be set from any thread: where comms run on a subshell, page and cells do it at the same time."""

    _commands: ClassVar[Mapping[str, list[str]]] = {}  # what a key can do -> the keys for it

    opacity = t.Float(0.35, min=0, max=1, help="of the masks").tag(sync=True)
    view_only = t.Bool(False, help="look, but change nothing").tag(sync=True)
    shortcuts = t.Dict(t.List(t.Unicode()), help="keys of each command; what is not given keeps its keys").tag(sync=True)
    busy = t.Bool(False, read_only=True, help="Python is working, and the page may wait for it").tag(sync=True)

    def __init__(self, **traits: Any) -> None:
        """Set the traits; TypeError for a name there is not."""
        allowed = [name for name in self.class_trait_names(sync=True) if not name.startswith("_")]
        if unknown := sorted(traits.keys() - set(allowed)):
            raise TypeError(f"{type(self).__name__} has no keyword {', '.join(unknown)}; there are: {', '.join(sorted(allowed))}")
        self._writing = RLock()  # what was done and the message about it go out in one order, and one thread at a time sets traits
        super().__init__(**traits)

    def open(self) -> None:
        """Open the comm, and take what the page says on the subshell that JupyterLab chose.

        ipykernel 7.4 would give it to the shell that spoke to the page last, often the main one, where it waits for the running cell.
        """
        super().open()
        if hasattr(self.comm, "_reply_subshell_for"):
            self.comm._reply_subshell_for = None

    def notify_change(self, change: Any) -> None:
        """Tell the page and the observers, one change after the other."""
        with self._writing:
            super().notify_change(change)

    def set_state(self, sync_data: dict[str, Any]) -> None:
        """Take what was set in the page."""
        with self._writing:
            super().set_state(sync_data)

    @t.validate("shortcuts")
    def _with_defaults(self, proposal: Any) -> dict[str, list[str]]:
        for command in proposal["value"]:
            lookup(self._commands, command, "command")
        return {**self._commands, **proposal["value"]}

    @t.default("shortcuts")
    def _default_shortcuts(self) -> dict[str, list[str]]:
        return {**self._commands}
