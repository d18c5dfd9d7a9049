"""The samplers around a process, started and stopped together, and what became of each."""

from __future__ import annotations

from pathlib import Path

from ..model.records import Collector
from .child import Ended
from .host import HostSampler
from .nvml import NvmlSampler
from .stacks import StackSampler


class Session:
    """Everything that watches one process from outside."""

    def __init__(self, run: Path, pid: int, *, stacks: bool = True, traced: bool = True) -> None:
        self._host = HostSampler(run, pid)
        self._nvml = NvmlSampler(run)
        self._stacks = StackSampler(run, pid, traced=traced) if stacks else None
        self._broke: str | None = None

    def start(self) -> None:
        """Begin."""
        self._host.start()
        self._nvml.start()

    def tick(self) -> None:
        """Called about twenty times per second while the process runs; never waits."""
        if self._stacks is None or self._broke is not None:
            return
        try:
            self._stacks.tick()
        except Exception as error:
            # The supervisor's loop must go on whatever becomes of a sampler; the reason is reported.
            self._broke = f"{type(error).__name__}: {error}"

    def finish(self, ended: Ended | None) -> list[Collector]:
        """Stop the samplers; says what each did, or why not."""
        if ended is not None:
            self._host.ended(ended)
        return [self._host.stop(), self._host.rapl(), self._nvml.stop(), self._stacks_collector()]

    def _stacks_collector(self) -> Collector:
        if self._stacks is None:
            return Collector(name="stacks", state="off", reason="switched off")
        told = self._stacks.finish()
        return told if self._broke is None else Collector(name="stacks", state="failed", reason=self._broke)
