"""Interrupts at every place where CPython looks for signals: after calls, at the start of functions and at the end of loops."""

import dis
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from types import CodeType, FrameType
from typing import Any

CHECKING_OPCODES = ("CALL", "RESUME", "JUMP_BACKWARD", "JUMP_ABSOLUTE")  # beginnings of their names


@cache
def places(code: CodeType) -> frozenset[int]:
    """Return the offsets of the instructions before which signals are handled."""
    instructions = list(dis.get_instructions(code))
    after = {b.offset for a, b in zip(instructions, instructions[1:]) if a.opname.startswith(CHECKING_OPCODES)}
    return frozenset(after | {instructions[0].offset})


class Interrupter:
    """Counts the places that a call passes in some files, and raises KeyboardInterrupt at one of them.

    Args:
        files: Parts of the names of the files.
        at: The place, from 0; None to count only.
    """

    def __init__(self, files: tuple[str, ...], at: int | None = None) -> None:
        self.files, self.at, self.count = files, at, 0

    @contextmanager
    def running(self) -> Iterator[None]:
        before = sys.gettrace()
        sys.settrace(self._enter)
        try:
            yield
        finally:
            sys.settrace(before)

    def _enter(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if not any(part in frame.f_code.co_filename for part in self.files):
            return None
        frame.f_trace_opcodes = True
        return self._step

    def _step(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any]:
        if event == "opcode" and frame.f_lasti in places(frame.f_code):
            self.count += 1
            if self.at == self.count - 1:
                raise KeyboardInterrupt
        return self._step


def interrupt_everywhere(call: Callable[[], object], files: tuple[str, ...], step: int = 1) -> Iterator[BaseException]:
    """Call a function again and again, interrupted at one place after the other; yield each interrupt, after the call.

    Args:
        call: The function.
        files: Parts of the names of the files whose places are tried.
        step: 1 for all places, 2 for every second one.
    """
    counter = Interrupter(files)
    with counter.running():
        call()
    for place in range(0, counter.count, step):
        try:
            with Interrupter(files, place).running():
                call()
        except KeyboardInterrupt as error:
            yield error
