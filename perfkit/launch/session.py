"""The samplers around a process, started and stopped together, and what became of each."""

from __future__ import annotations

from pathlib import Path

from ..model.records import Collector
from . import handshake
from .child import Ended
from .infofile import InfoFile


class Session:
    """Everything that watches one process from outside."""

    def __init__(self, run: Path, pid: int, argv: list[str]) -> None:
        self._run, self._pid, self._argv = run, pid, argv

    @classmethod
    def start(cls, run: Path, pid: int, argv: list[str], info: InfoFile, *, stacks: bool = True) -> Session:
        """Begin to watch *pid* and record into *run*."""
        return cls(run, pid, argv)

    def tick(self) -> None:
        """Called a few times per second while the process runs."""

    def finish(self, ended: Ended) -> list[Collector]:
        """Stop the samplers; says what each did, or why not."""
        return handshake.collectors(self._run, self._argv)
