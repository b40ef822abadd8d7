"""A JupyterLab server on the loopback interface, a notebook in it, and its widgets, for browser tests."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from ast import literal_eval
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from jupyter_client import BlockingKernelClient
from PIL import Image
from playwright.sync_api import Locator, Page, Position, expect

FLASH_MS = 550  # Changed pixels are highlighted for a shorter time.
SCREENSHOTS = Path(__file__).parents[2] / "test-results"
STARTUP_TIMEOUT_S = 120  # Enough for two busy cores.


class Lab:
    """A JupyterLab server without a token, with its own settings and runtime files in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.runtime = folder / "runtime"
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.set("apputils-extension/notification", {"fetchNews": "false", "checkForUpdates": False})
        self.set("docmanager-extension/plugin", {"autosave": False})  # A test saves when it needs to.
        names = ("CONFIG", "DATA", "RUNTIME")
        folders = {f"JUPYTER_{name}_DIR": str(folder / name.lower()) for name in names}
        folders |= {"JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"), "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces")}
        self._log = (folder / "lab.log").open("w")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *self._options()],
            env={**os.environ, **folders, "IPYTHONDIR": str(folder / "ipython")},
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._wait()

    def set(self, plugin: str, settings: dict[str, Any]) -> None:
        """Write a user setting of JupyterLab, for pages that are opened later."""
        file = self.folder / "settings" / "@jupyterlab" / f"{plugin}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(settings))

    def get(self, path: str) -> Any:
        """Return the JSON of a GET request to the server."""
        with urllib.request.urlopen(self.url + path, timeout=10) as response:
            return json.load(response)

    def _options(self) -> list[str]:
        server = {"port_retries": 0, "disable_check_xsrf": True, "root_dir": self.notebooks}
        return [
            *("--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={self.port}", "--IdentityProvider.token="),
            *(f"--ServerApp.{name}={value}" for name, value in server.items()),
        ]

    def stop_kernels(self) -> None:
        """Stop every kernel, because each has a model in memory."""
        for session in self.get("/api/sessions"):
            request = urllib.request.Request(f"{self.url}/api/sessions/{session['id']}", method="DELETE")
            urllib.request.urlopen(request, timeout=30).close()

    def close(self) -> None:
        """Stop the server and its kernels."""
        self._process.terminate()
        self._process.wait(30)
        self._log.close()

    def _wait(self) -> None:
        deadline = time.monotonic() + STARTUP_TIMEOUT_S
        while True:
            try:
                self.get("/api/status")
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start:\n{(self.folder / 'lab.log').read_text()[-3000:]}") from None
                time.sleep(0.2)


@dataclass
class Notebook:
    """A notebook open in JupyterLab, and its kernel."""

    lab: Lab
    page: Page
    name: str

    @classmethod
    def open(cls, lab: Lab, page: Page, name: str, cells: list[str] | None = None) -> Notebook:
        """Open a notebook; `cells` create it, None opens an existing file."""
        if cells is not None:
            nodes = [nbformat.v4.new_code_cell(source) for source in cells]
            nbformat.write(nbformat.v4.new_notebook(cells=nodes, metadata={"kernelspec": KERNEL}), lab.notebooks / name)
        page.goto(f"{lab.url}/lab/tree/{name}?reset")
        page.wait_for_selector(".jp-Notebook .jp-Cell", timeout=60_000)
        notebook = cls(lab, page, name)
        notebook.wait_for_kernel()
        return notebook

    def run_all(self) -> None:
        """Run every cell."""
        self.command("Run", "Run All Cells")

    def run(self, number: int) -> None:
        """Run one cell without waiting for it."""
        self.page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+Enter")

    def prompt(self, number: int) -> Locator:
        """Return the prompt of a cell, "[*]:" while it runs."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number).locator(".jp-InputPrompt").first

    def command(self, menu: str, entry: str) -> None:
        """Choose an entry of JupyterLab's menu bar."""
        self.page.locator(".lm-MenuBar-itemLabel", has_text=menu).first.click()
        self.page.locator(".lm-Menu-itemLabel", has_text=entry).first.click()

    def wait_for_kernel(self, state: str = "Idle") -> None:
        """Wait until the kernel has a state, Idle or Busy."""
        expect(self.page.locator("#jp-main-statusbar")).to_contain_text(f"Python 3 (ipykernel) | {state}", timeout=60_000)

    def widget(self, number: int = 0, name: str = "w") -> Widget:
        """Return one of the annotators on the page, once it shows its image; `name` is its variable in the kernel."""
        widget = Widget(self, self.page.locator(".cdw").nth(number), name)
        widget.root.scroll_into_view_if_needed(timeout=60_000)
        widget.wait_until_ready()
        expect(widget.root.locator(".cdw-loading")).to_have_count(0)
        return widget

    def kill_kernel(self) -> None:
        """Kill the kernel, as a crash does, and wait until the server has started another one."""
        os.kill(self.value("__import__('os').getpid()"), signal.SIGKILL)
        self.page.locator(".jp-Dialog button", has_text="Ok").click()
        self.wait_for_kernel()

    def cells(self) -> int:
        """Return the number of cells."""
        return self.page.locator(".jp-Notebook .jp-Cell").count()

    def value(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, which must be plain data."""
        session = next(s for s in self.lab.get("/api/sessions") if s["path"] == self.name)
        client = BlockingKernelClient(connection_file=str(self.lab.runtime / f"kernel-{session['kernel']['id']}.json"))
        client.load_connection_file()
        client.start_channels()
        try:
            code = f"import json as _json; _value = _json.dumps({expression})"
            request = client.execute(code, user_expressions={"v": "_value"}, store_history=False)
            while (message := client.get_shell_msg(timeout=60))["parent_header"].get("msg_id") != request:
                pass  # Another reply.
            reply = message["content"]
            assert reply["status"] == "ok", "\n".join(reply.get("traceback", []))
            return json.loads(literal_eval(reply["user_expressions"]["v"]["data"]["text/plain"]))
        finally:
            client.stop_channels()


@dataclass
class Widget:
    """An annotator on the page, and the variable that holds it in the kernel."""

    notebook: Notebook
    root: Locator
    name: str

    @property
    def stage(self) -> Locator:
        """The image area."""
        return self.root.locator(".cdw-stage")

    @property
    def latency(self) -> float:
        """Milliseconds from the last click to its painted mask."""
        return float((self.root.locator(".cdw-status").get_attribute("data-latency") or "").split()[0])

    @property
    def area(self) -> int:
        """Pixels of the kernel's mask."""
        return self.value("int({}.mask.sum())")

    def value(self, expression: str) -> Any:
        """Evaluate an expression in the kernel, with {} for the widget."""
        return self.notebook.value(expression.format(self.name))

    def has_pixel(self, x: int, y: int) -> bool:
        """Return whether a pixel is in the kernel's mask."""
        return self.value(f"bool({{}}.mask[{y}, {x}])")

    def mask_hash(self) -> int:
        """Return a hash of the kernel's mask."""
        return self.value("__import__('zlib').crc32({}.mask.tobytes())")

    def position(self, x: float, y: float) -> Position:
        """Return the position of an image point on the stage, if the image is fitted into it."""
        width, height = self.value("[{0}.session.width, {0}.session.height]")
        box = self.stage.bounding_box()
        assert box is not None
        scale = min(box["width"] / width, box["height"] / height)
        return {"x": (box["width"] - width * scale) / 2 + x * scale, "y": (box["height"] - height * scale) / 2 + y * scale}

    def click(self, x: float, y: float, **how: Any) -> None:
        """Click on the center of the pixel (x, y) and wait for the reply."""
        self.stage.click(position=self.position(x + 0.5, y + 0.5), **how)
        self.wait_until_ready()

    def press(self, key: str) -> None:
        """Press a key with the present focus, and wait for the reply."""
        self.notebook.page.keyboard.press(key)
        self.wait_until_ready()

    def wait_until_ready(self) -> None:
        """Wait until every request has its reply and that is painted."""
        self.notebook.page.wait_for_timeout(50)
        expect(self.root.locator(".cdw-status")).to_have_attribute("data-state", re.compile("ready|locked"), timeout=120_000)
        self.notebook.page.wait_for_timeout(50)

    def pixels(self) -> np.ndarray:
        """Return a screenshot of the stage, int (H, W, 3)."""
        self.notebook.page.wait_for_timeout(FLASH_MS)
        return np.asarray(Image.open(io.BytesIO(self.stage.screenshot())).convert("RGB")).astype(int)

    def is_painted(self, x: float, y: float) -> bool:
        """Return whether a mask is painted on the pixel (x, y), if the image is fitted into the stage."""
        return self.is_painted_at(self.position(x + 0.5, y + 0.5))

    def is_painted_at(self, position: Position) -> bool:
        """Return whether a mask is painted at a position of the stage."""
        code = """(stage, at) => {
            const canvas = stage.querySelectorAll("canvas")[1], ratio = canvas.width / stage.clientWidth;
            return canvas.getContext("2d").getImageData(at.x * ratio, at.y * ratio, 1, 1).data[3] > 0;
        }"""
        self.notebook.page.wait_for_timeout(FLASH_MS)
        return self.stage.evaluate(code, position)


KERNEL = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
