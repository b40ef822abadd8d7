"""The bytes of messages stay small enough for a remote kernel."""

import runpy
import zlib
from pathlib import Path
from random import Random

import comm
import pytest

from cdwidget.widget.transport import Channel

SCRIPT = runpy.run_path(str(Path(__file__).parents[1] / "benchmarks" / "wire.py"))


def test_the_messages_of_a_12_megapixel_image_are_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comm, "create_comm", SCRIPT["RecordingComm"])
    sent = SCRIPT["measure"](*SCRIPT["SIZES"]["12 MP"])
    assert sent["click"] <= 40_000 and sent["stroke"] <= 8_000 and sent["open"] <= 1_000_000, sent


class Connection:
    def __init__(self) -> None:
        self.sent: list[tuple[dict, list[bytes]]] = []

    def on_msg(self, callback) -> None:
        self.receive = callback

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
