import gc
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("cdwidget", deadline=None)  # the machine may be busy: no test fails for being slow
settings.load_profile("cdwidget")


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """Close our widgets of a module: ipywidgets holds every one for ever, and with it a catalogue's or a journal's open files."""
    yield
    if "anywidget" in sys.modules:
        for widget in list(sys.modules["ipywidgets"].Widget.widgets.values()):
            if isinstance(widget, sys.modules["anywidget"].AnyWidget):
                widget.close()
    gc.collect()
