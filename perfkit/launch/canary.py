"""Tells a signal that was sent to us alone from one that was sent to our whole process group.

A terminal's signals are marked as the kernel's, but `kill -TERM -PGID`, GNU timeout, container inits and
batch systems signal every process of the group or job: the script has received those already, and passing
them on would deliver them twice, which for many scripts means "stop at once, without a checkpoint". So a
process of ours sits in the group, blocks these signals and does nothing: a signal that is pending there was
not meant for us alone.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG = 1  # linux/prctl.h
# The sender's loop over the group may still be on its way when we wake.
_GRACE_S = 0.005


class Canary:
    """Start it in the main thread before any other thread, with the *watched* signals already blocked."""

    def __init__(self, watched: frozenset[signal.Signals]) -> None:
        self._pid = 0
        self._drain = -1
        if sys.platform != "linux":
            return
        read, self._drain = os.pipe()
        prctl, parent = ctypes.CDLL(None).prctl, os.getpid()
        self._pid = os.fork()
        if self._pid == 0:
            try:
                prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
                _sit(read, watched, parent)
            finally:
                os._exit(0)
        os.close(read)

    def heard(self, number: int) -> bool:
        """Whether the signal that has just reached us went to our neighbours, too. Forgets it."""
        if not self._pid:
            return False
        time.sleep(_GRACE_S)
        heard = bool(_pending(self._pid) >> (number - 1) & 1)
        if heard:
            os.write(self._drain, b"x")
        return heard

    def stop(self) -> None:
        """End the process and reap it."""
        if self._pid:
            os.close(self._drain)
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _sit(read: int, watched: frozenset[signal.Signals], parent: int) -> None:
    """The life of the canary: holds nothing open but its end of the pipe, and drains when told to."""
    os.dup2(read, 0)
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - a limit of a million descriptors is not rare
        if name != "0":
            _close(int(name))
    while os.getppid() == parent and os.read(0, 1):
        while signal.sigtimedwait(watched, 0) is not None:
            pass


def _close(fd: int) -> None:
    try:
        os.close(fd)
    except OSError:  # the one that the listing itself used
        return


def _pending(pid: int) -> int:
    """Bits of the signals that wait for a process (bit n - 1 for signal n)."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    bits = 0
    for found in re.finditer(r"^(?:SigPnd|ShdPnd):\s*([0-9a-f]+)$", text, re.MULTILINE):
        bits |= int(found.group(1), 16)
    return bits
