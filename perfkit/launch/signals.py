"""Signals collected instead of delivered: none can interrupt us in the middle of a write, and none is lost."""

from __future__ import annotations

import os
import signal
import sys
import time
from dataclasses import dataclass

SI_KERNEL = 0x80  # asm-generic/siginfo.h: sent by the kernel; for the signals we collect, by the terminal
# Where the system has no sigtimedwait, pending signals are looked for this often.
_POLL_S = 0.01


@dataclass(frozen=True, kw_only=True)
class Received:
    """A signal that came. ``from_terminal``: the terminal sent it, to every process in its foreground."""

    number: int
    from_terminal: bool


def collect(watched: frozenset[signal.Signals], timeout_s: float) -> Received | None:
    """The next of the *watched* signals, which the caller has blocked; None when none came in time."""
    if not hasattr(signal, "sigtimedwait"):
        return _collect_by_polling(watched, timeout_s)
    info = signal.sigtimedwait(watched, timeout_s)
    if info is None:
        return None
    return Received(number=info.si_signo, from_terminal=info.si_code == SI_KERNEL)


def _collect_by_polling(watched: frozenset[signal.Signals], timeout_s: float) -> Received | None:
    r"""MacOS. It does not say who sent a signal: Ctrl-C and Ctrl-\\ are taken for the terminal's where
    there is one.
    """
    deadline = time.monotonic() + timeout_s
    while not (pending := signal.sigpending() & watched):
        if time.monotonic() >= deadline:
            return None
        time.sleep(_POLL_S)
    number = signal.sigwait(pending)
    typed = number in {signal.SIGINT, signal.SIGQUIT}
    return Received(number=number, from_terminal=typed and _in_foreground())


def _in_foreground() -> bool:
    try:
        return os.tcgetpgrp(sys.__stdin__.fileno()) == os.getpgrp() if sys.__stdin__ else False
    except (OSError, ValueError):
        return False
