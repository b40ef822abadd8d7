"""The widgets that every host shows, and a file that tells the test the state of Python."""

from __future__ import annotations

import json
import os
from pathlib import Path

import cv2
import numpy as np
import skimage.data

import cdwidget
from cdwidget.catalogue.similarity import put_embedding

FOLDER = Path(os.environ["CDWIDGET_HOST_FOLDER"])


def annotator() -> cdwidget.Annotator:
    """Return an annotator that writes its state after every change."""
    widget = cdwidget.Annotator(skimage.data.coffee(), labels=["cup", "spoon"])

    def write() -> None:
        state = {
            "clicks": len(widget.session.clicks),
            "area": int(widget.mask.sum()),
            "revision": widget.revision,
            "exported": len(widget.to_coco()["annotations"]) if widget.mask.any() else 0,
        }
        (FOLDER / "state.part").write_text(json.dumps(state))
        (FOLDER / "state.part").replace(FOLDER / "state.json")

    widget.listen(write)
    widget.observe(lambda _change: write(), names=["revision"])
    write()
    return widget


def gallery() -> cdwidget.Gallery:
    """Return a gallery of three images with one mask each."""
    return cdwidget.Gallery(_catalogue("gallery"))


def embedding_map() -> cdwidget.EmbeddingMap:
    """Return a map of three images."""
    return cdwidget.EmbeddingMap(_catalogue("map"))


def _catalogue(name: str) -> cdwidget.Catalogue:
    catalogue = cdwidget.Catalogue(FOLDER / f"{name} {os.getpid()}.db")
    if not len(catalogue):
        mask = np.zeros((120, 160), np.uint8)
        cv2.ellipse(mask, (70, 65), (40, 30), 0, 0, 360, 1, -1)
        items = []
        for number, photo in enumerate((skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket())):
            path = FOLDER / f"photo {number}.png"
            cv2.imwrite(str(path), cv2.resize(photo, (160, 120))[..., ::-1])
            items.append(cdwidget.Item(path, [cdwidget.Instance(mask > 0, "cup")]))
        catalogue.add(items)
        for number in range(1, 4):
            put_embedding(catalogue, number, np.random.default_rng(number).normal(size=6), "test")
    return catalogue
