"""Ctrl-C during a tune: raised where measuring can be broken off, kept for later where the document is made and shown.

Python delivers SIGINT between any two instructions, so that a ``try`` around the search alone cannot hold it: it may come after the
search's last instruction and before the document is written. One handler for the whole time decides by a flag instead.
"""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType


class Interrupts:
    """What becomes of SIGINT. Open at first: it raises KeyboardInterrupt, as Python's own handler does, and closes."""

    def __init__(self) -> None:
        self._is_open = True
        #: Whether one came that was not raised.
        self.kept = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        """The handler. Closed, the first is kept; who asks again wants out of something that hangs (a pipe that nobody reads)."""
        if self._is_open or self.kept:
            self._is_open = False
            raise KeyboardInterrupt
        self.kept = True

    def close(self) -> None:
        """From here on one is kept, not raised."""
        self._is_open = False


@contextmanager
def handled() -> Iterator[Interrupts]:
    """SIGINT goes to an `Interrupts` meanwhile: to the one that has it already, else to a new one.

    Outside the main thread, which SIGINT never reaches, and where it is ignored (``nohup``), nothing is changed.
    """
    before = signal.getsignal(signal.SIGINT)
    if isinstance(before, Interrupts):
        yield before
        return
    interrupts = Interrupts()
    if threading.current_thread() is not threading.main_thread() or before in (signal.SIG_IGN, None):
        yield interrupts
        return
    signal.signal(signal.SIGINT, interrupts)
    try:
        yield interrupts
    finally:
        signal.signal(signal.SIGINT, before)
