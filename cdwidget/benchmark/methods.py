"""What is compared: a name, how to build its predictor in any process, and what tells its answers from another's."""

from __future__ import annotations

import hashlib
import os
import sys
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Callable

from cdwidget.benchmark.peers import PEERS
from cdwidget.predictor import Predictor


@dataclass(frozen=True)
class Method:
    """One method. build: makes its predictor; it is pickled. fingerprint: other answers, other fingerprint. plain: never in a session."""

    name: str
    build: Callable[[], Predictor]
    fingerprint: str
    plain: bool = False


def peer(name: str) -> Method:
    """One of PEERS; it gets every prompt directly, because progressive merge is no part of it."""
    return Method(name, PEERS[name], name, plain=True)


def imported(name: str) -> Method:
    """Any predictor by import path, "package.module:factory", also from the current folder; ValueError when there is none such."""
    module = _factory(name).__module__
    source = getattr(sys.modules[module], "__file__", None)
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest()[:16] if source else ""
    return Method(name, partial(_built, name), f"{name} {digest}")


def _built(name: str) -> Predictor:
    return _factory(name)()


def _factory(name: str) -> Callable[[], Predictor]:
    module, _, attribute = name.partition(":")
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())
    try:
        factory = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(f"{name!r} cannot be imported ({error}); write package.module:factory, callable without arguments") from error
    return factory
