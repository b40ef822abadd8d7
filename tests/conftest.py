import gc
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("cdwidget", deadline=None)  # A busy machine must not fail a test.
settings.load_profile("cdwidget")
# Files of a minute or more, the longest first. They start first, so that no process runs one of them alone at the end.
LONG_FILES = [
    "test_batch_ray.py",
    "test_notebooks.py",
    "test_train_runs.py",
    "test_train.py",
    "test_appearance.py",
    "test_batch_prelabel.py",
    "test_train_distill.py",
    "test_batch.py",
    "test_batch_command.py",
    "test_onnx.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Move the long files to the start; with --no-loadscope-reorder, pytest-xdist keeps this order."""
    items.sort(key=lambda item: LONG_FILES.index(item.path.name) if item.path.name in LONG_FILES else len(LONG_FILES))


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
