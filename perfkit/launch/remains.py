"""Processes that a trial has left behind: found, ended and waited for.

While it is at work we adopt what loses its parent (PR_SET_CHILD_SUBREAPER), so whatever the command started is below us in the
tree of processes, in which session ever: the command has one of its own, and none of its processes can join ours. Where there
is no such adoption, and to be sure where there is, the run's name in a process's environment gives it away.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

from . import procfs
from .environment import RUN_VARIABLE
from .sandbox import kernel

_TIMEOUT_S = 10.0
_POLL_S = 0.005


class Remains:
    """Made before the command starts; ended with `end_all`. On other systems than Linux it finds nothing."""

    def __init__(self, run: Path) -> None:
        self._marker = f"{RUN_VARIABLE}={run.absolute()}".encode()
        self._ours = os.getpid()
        self._others: set[tuple[int, int]] = set()  # children that we had before, with their times of birth
        if sys.platform == "linux":
            children = (stat for stat in procfs.all_stats().values() if stat.parent == self._ours)
            self._others = {(stat.pid, stat.start_ticks) for stat in children}
            with suppress(OSError):  # a kernel older than 3.4
                kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)

    def end_all(self, *, timeout_s: float = _TIMEOUT_S) -> list[int]:
        """End what is left and adopt no more; returns the processes that could not be ended in time."""
        if sys.platform != "linux":
            return []
        deadline = time.monotonic() + timeout_s
        while (left := self._living()) and time.monotonic() < deadline:
            for pid in left:
                with suppress(OSError):  # it has just ended, or runs as somebody else
                    os.kill(pid, signal.SIGKILL)
            time.sleep(_POLL_S)
        with suppress(OSError):
            kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 0)
        return left

    def _living(self) -> list[int]:
        """Members that live; those that are dead and ours to wait for are waited for."""
        table = procfs.all_stats()
        below = self._below(table)
        found = []
        for pid, stat in table.items():
            if pid not in below and (pid == self._ours or self._marker not in _environment(pid)):
                continue
            if stat.state != "Z":
                found.append(pid)
            elif stat.parent == self._ours:
                _reap(pid)
        return found

    def _below(self, table: dict[int, procfs.Stat]) -> set[int]:
        """What is below us in the tree and in another session, but not below children that we had before."""
        children: dict[int, list[procfs.Stat]] = {}
        for stat in table.values():
            children.setdefault(stat.parent, []).append(stat)
        found: set[int] = set()
        own_session = os.getsid(0)
        pending = [stat for stat in children.get(self._ours, ()) if (stat.pid, stat.start_ticks) not in self._others]
        while pending:
            stat = pending.pop()
            if stat.session != own_session:
                found.add(stat.pid)
            pending += children.get(stat.pid, ())
        return found


def _environment(pid: int) -> list[bytes]:
    """The environment that the process was started with; empty when not ours to see."""
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


def _reap(pid: int) -> None:
    with suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
