import gc
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("cdwidget", deadline=None)  # A busy machine must not fail a test.
settings.load_profile("cdwidget")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that names the browser of `tests/ui`."""
    parser.addoption("--browser", choices=["chromium", "firefox"], default="chromium", help="the browser of tests/ui")


@pytest.fixture(scope="session", autouse=True)
def private_state(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the folders that tests add images from out of the state of the user."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="module", autouse=True)
def close_widgets() -> Iterator[None]:
    """Close a module's widgets: ipywidgets keeps a reference to each, and thereby to open files of catalogues and journals."""
    yield
    if "anywidget" in sys.modules:
        for widget in list(sys.modules["ipywidgets"].Widget.widgets.values()):
            if isinstance(widget, sys.modules["anywidget"].AnyWidget):
                widget.close()
    gc.collect()
    shells = sys.modules.get("IPython.core.interactiveshell")
    assert shells is None or not shells.InteractiveShell.initialized(), "a test published an output, so later tests run as in a notebook"
