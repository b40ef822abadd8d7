"""Write the page without Python that the first page of the documentation opens. MkDocs calls `on_files` as a hook."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from skimage import data

from cdwidget import export_html

PAGE = "try.html"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the page, which exists only while the site is built."""
    photos = [data.astronaut(), data.coffee(), data.chelsea()]
    labels = ["person", "rocket", "cup", "spoon", "cat"]
    with TemporaryDirectory() as folder:
        content = export_html(photos, Path(folder) / PAGE, title="Try cdwidget", labels=labels).read_bytes()
    files.append(File.generated(config, PAGE, content=content))
    return files
