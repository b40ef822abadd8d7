import gc
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("cdwidget", deadline=None)  # the machine may be busy: no test fails for being slow
settings.load_profile("cdwidget")


@pytest.fixture(scope="module", autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """Close the widgets of a module: ipywidgets holds every one for ever, and with it a catalogue's or a journal's open files."""
    yield
    if "ipywidgets" in sys.modules:
        sys.modules["ipywidgets"].Widget.close_all()
    gc.collect()
