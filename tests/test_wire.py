"""The bytes of messages stay small enough for a remote kernel."""

import runpy
import zlib
from pathlib import Path
from random import Random
from threading import Thread, current_thread, main_thread

import comm
import pytest

from cdwidget.widget.transport import Channel
from support.annotator_page import open_page
from support.scripted_predictor import LEFT_HALF
from support.widget_page import wait_until

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "wire.py"))


def test_the_messages_of_a_12_megapixel_image_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", SCRIPT["RecordingComm"])
    sent = SCRIPT["measure"](*SCRIPT["SIZES"]["12 MP"])
    assert sent["click"] <= 40_000 and sent["stroke"] <= 8_000 and sent["open"] <= 1_000_000, sent


class Connection:
    def __init__(self) -> None:
        self.beats: list[Thread] = []
        self.sent: list[tuple[dict, list[bytes]]] = []

    def on_msg(self, callback) -> None:
        self.receive = callback

    def beat(self) -> None:
        self.beats.append(current_thread())

    def send(self, content, buffers=None) -> None:
        self.sent.append((content, buffers))


def test_only_buffers_that_shrink_are_compressed() -> None:
    connection = Connection()
    pixels, noise, short = bytes(10_000), Random(1).randbytes(10_000), bytes(100)
    channel = Channel(connection, {"read": lambda: ({"n": 3}, [noise, pixels, short])})
    connection.receive(None, {"id": "1", "op": "read"}, [])
    channel.notify(({}, []))
    (reply, buffers), (notification, none) = connection.sent
    assert reply == {"id": "1", "ok": True, "result": {"n": 3}, "deflated": [1]}
    assert (buffers[0], zlib.decompress(buffers[1]), buffers[2]) == (noise, pixels, short) and len(buffers[1]) < 100
    assert notification["deflated"] == [] and none == []


def test_a_page_that_receives_nothing_of_threads_gets_its_replies_without() -> None:
    connection = Connection()
    threads: list[Thread] = []
    Channel(connection, {"tile": lambda: (threads.append(current_thread()), [])}, threaded=("tile",))
    connection.receive(None, {"id": "1", "op": "tile", "inline": True}, [])
    assert threads == [main_thread()] and connection.sent[0][0]["id"] == "1"
    wait_until(lambda: len(connection.beats) == 1)
    assert connection.beats[0] is not main_thread()
    connection.receive(None, {"id": "2", "op": "tile"}, [])
    wait_until(lambda: len(connection.sent) == 2)
    assert threads[1] is not main_thread() and len(connection.beats) == 1


def test_the_progress_of_the_model_is_sent_again_to_a_page_without_messages_of_threads() -> None:
    page = open_page(LEFT_HALF)
    sent: list[str] = []
    page.widget.send_state = lambda *names, **_: sent.extend(names)
    before = page.trait("_thread_beat")
    assert page.request("encoded", inline=True)["ok"]
    assert sent == ["_phase"] and page.trait("_phase")["name"] == "ready"
    wait_until(lambda: page.trait("_thread_beat") == before + 1)
