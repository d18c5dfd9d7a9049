"""The samplers around a process, started and stopped together, and what became of each."""

from __future__ import annotations

from pathlib import Path

from ..model.records import Collector
from .child import Ended
from .host import HostSampler
from .stacks import StackSampler


class Session:
    """Everything that watches one process from outside."""

    def __init__(self, run: Path, pid: int, *, stacks: bool = True, traced: bool = True) -> None:
        self._host = HostSampler(run, pid)
        self._stacks = StackSampler(run, pid, traced=traced) if stacks else None

    def start(self) -> None:
        """Begin."""
        self._host.start()

    def tick(self) -> None:
        """Called about twenty times per second while the process runs; never waits."""
        if self._stacks is not None:
            self._stacks.tick()

    def finish(self, ended: Ended | None) -> list[Collector]:
        """Stop the samplers; says what each did, or why not."""
        if ended is not None:
            self._host.ended(ended)
        off = Collector(name="stacks", state="off", reason="switched off")
        return [self._host.stop(), self._stacks.finish() if self._stacks is not None else off]
