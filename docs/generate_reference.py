"""Write the reference pages of the documentation: one per public module, and the command line.

MkDocs calls `on_files` as a hook, and mkdocstrings loads `ExampleSections` as an extension of Griffe.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

from griffe import Extension, Object
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

FOLDER = "reference/"
COMMAND_LINE = f"{FOLDER}cli.md"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages of the navigation's reference section, which exist only while the site is built."""
    for page in reference_pages(config.nav):
        content = command_line_page() if page == COMMAND_LINE else module_page(page.removeprefix(FOLDER).removesuffix(".md"))
        files.append(File.generated(config, page, content=content))
    return files


def reference_pages(nav: Any) -> Iterator[str]:
    """Yield the pages below reference/ that a navigation lists, in its order."""
    if isinstance(nav, str):
        if nav.startswith(FOLDER):
            yield nav
    elif nav is not None:
        for entry in nav.values() if isinstance(nav, dict) else nav:
            yield from reference_pages(entry)


def module_page(module: str) -> str:
    """Return the page of a module, which mkdocstrings fills from the docstrings."""
    return f"# {module}\n\n::: {module}\n"


def command_line_page() -> str:
    """Return the page of the command line, which Typer writes from its help texts."""
    command = [sys.executable, "-m", "typer", "cdwidget.cli", "utils", "docs", "--name", "cdwidget", "--title", "Command line"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


class ExampleSections(Extension):
    """Show an "Example:" section as code, as Griffe does for "Examples:" only."""

    def on_object(self, *, obj: Object, **arguments: Any) -> None:
        """Rename the section of one object's docstring."""
        if obj.docstring:
            obj.docstring.value = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
