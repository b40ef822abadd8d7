"""The program that each host runs, and the command that starts the host with it."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat

CELLS = [
    "import widgets\nw = widgets.annotator()\nw",
    "i = w.inspect()\ni",
    "g = widgets.gallery()\ng",
    "m = widgets.embedding_map()\nm",
]
SHINY = """
import widgets
from shiny import App, ui
from shinywidgets import output_widget, render_widget

app_ui = ui.page_fluid(*(output_widget(name) for name in "wigm"))

def server(input, output, session):
    annotator = widgets.annotator()

    @render_widget
    def w():
        return annotator

    @render_widget
    def i():
        return annotator.inspect()

    @render_widget
    def g():
        return widgets.gallery()

    @render_widget
    def m():
        return widgets.embedding_map()

app = App(app_ui, server)
"""
SOLARA = """
import widgets
import solara

def create():
    annotator = widgets.annotator()
    return annotator, annotator.inspect(), widgets.gallery(), widgets.embedding_map()

@solara.component
def Page():
    with solara.Column():
        for widget in solara.use_memo(create, []):
            solara.display(widget)
"""
MARIMO = """
import marimo

app = marimo.App()

@app.cell
def _():
    import marimo as mo
    import widgets
    annotator = widgets.annotator()
    w = mo.ui.anywidget(annotator)
    w
    return annotator, mo, w, widgets

@app.cell
def _(annotator, mo):
    i = mo.ui.anywidget(annotator.inspect())
    i
    return (i,)

@app.cell
def _(mo, widgets):
    g = mo.ui.anywidget(widgets.gallery())
    g
    return (g,)

@app.cell
def _(mo, widgets):
    m = mo.ui.anywidget(widgets.embedding_map())
    m
    return (m,)

@app.cell
def _(mo, w):
    mo.md(f"area {w.widget.mask.sum()} in revision {w.value['revision']}")
    return
"""


IS_READY_IN_LAB = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status == 'idle'"
RUN_ALL_IN_LAB = 'jupyterapp.commands.execute("notebook:run-all-cells")'
IS_READY_IN_NBCLASSIC = "window.Jupyter?.notebook?.kernel?.widget_manager && Jupyter.notebook.kernel.info_reply.protocol_version"
RUN_ALL_IN_NBCLASSIC = "Jupyter.notebook.execute_all_cells()"
JUPYTER = (
    "--no-browser --allow-root --ip=127.0.0.1 --port={port} --ServerApp.root_dir={folder} "
    "--IdentityProvider.token= --ServerApp.disable_check_xsrf=True"
)


@dataclass(frozen=True)
class Notebooks:
    """How a page of Jupyter opens and runs a notebook.

    Args:
        path: The address of the notebook on the server.
        is_ready: JavaScript that is true once the kernel has started.
        run: JavaScript that runs all cells.
    """

    path: str
    is_ready: str
    run: str


@dataclass(frozen=True)
class Host:
    """A program that shows widgets in a page.

    Args:
        title: Its name for readers.
        package: Its name on PyPI.
        command: Starts it; {port} and {folder} are filled in.
        browser: The browser that opens its page, a key of `support.prerequisites.BROWSERS`.
        notebooks: How to run a notebook; None if opening the page runs the program.
    """

    title: str
    package: str
    command: str
    browser: str = "chromium"
    notebooks: Notebooks | None = None

    def write(self, folder: Path) -> None:
        """Write the program into a folder."""
        nodes = [nbformat.v4.new_code_cell(source) for source in CELLS]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata={"kernelspec": kernel}), folder / "app.ipynb")
        (folder / "shiny_app.py").write_text(SHINY)
        (folder / "solara_app.py").write_text(SOLARA)
        (folder / "marimo_app.py").write_text(MARIMO)

    def start(self, folder: Path, port: int) -> list[str]:
        """Return the command line that starts the host."""
        return [sys.executable, "-m", *(word.format(port=port, folder=folder) for word in self.command.split())]


LAB = Notebooks("/lab/tree/app.ipynb?reset", IS_READY_IN_LAB, RUN_ALL_IN_LAB)
LAB_COMMAND = f"jupyterlab {JUPYTER} --LabApp.expose_app_in_browser=True"
HOSTS = {
    "lab": Host("JupyterLab", "jupyterlab", LAB_COMMAND, notebooks=LAB),
    "lab in firefox": Host("JupyterLab", "jupyterlab", LAB_COMMAND, "firefox", LAB),
    "notebook": Host(
        "Notebook",
        "notebook",
        f"notebook {JUPYTER} --JupyterNotebookApp.expose_app_in_browser=True",
        notebooks=Notebooks("/notebooks/app.ipynb", IS_READY_IN_LAB, RUN_ALL_IN_LAB),
    ),
    "nbclassic": Host(
        "nbclassic",
        "nbclassic",
        f"nbclassic {JUPYTER}",
        notebooks=Notebooks("/nbclassic/notebooks/app.ipynb", IS_READY_IN_NBCLASSIC, RUN_ALL_IN_NBCLASSIC),
    ),
    "voila": Host("Voila", "voila", "voila {folder}/app.ipynb --no-browser --port={port} --Voila.ip=127.0.0.1"),
    "solara": Host("Solara", "solara", "solara run {folder}/solara_app.py --production --no-open --host=127.0.0.1 --port={port}"),
    "shiny": Host("Shiny for Python", "shiny", "shiny run {folder}/shiny_app.py --host=127.0.0.1 --port={port}"),
    "marimo": Host("marimo", "marimo", "marimo run {folder}/marimo_app.py --headless --no-token --host=127.0.0.1 --port={port}"),
}
