"""How far a run is, and when it will end, where its length can be known."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, kw_only=True)
class Expected:
    """When a run is expected to end, or why that cannot be told."""

    #: Steps that it will have made; None where that is not known.
    steps: int | None = None
    #: UTC ns.
    end_ns: int | None = None
    why_not: str = ""


@dataclass(kw_only=True)
class Progress:
    """What is known about the length of a run."""

    #: Given by a person, or read in the log.
    total_steps: int | None = None
    total_epochs: int | None = None
    first_end_ns: int | None = None
    last_end_ns: int = 0
    first_number: int = 0
    count: int = 0
    steps_per_epoch: float | None = None

    def step(self, number: int, end_ns: int) -> None:
        """A step has ended (CLOCK_MONOTONIC)."""
        if self.first_end_ns is None:
            self.first_end_ns, self.first_number = end_ns, number
        self.count, self.last_end_ns = number, end_ns

    def epochs(self, over: list[int], loader_length: int | None, batches_per_step: float = 1.0) -> None:
        """Steps of the epochs that are over, and the length of the loader: what the first does not say yet, the second may."""
        if over:
            self.steps_per_epoch = float(median(over))
        elif loader_length:
            self.steps_per_epoch = loader_length / max(1.0, batches_per_step)

    def expected(self, now_monotonic_ns: int, now_utc_ns: int) -> Expected:
        """The end, from the mean wall time of all steps so far, evaluations and checkpoints included."""
        steps = self.total_steps
        if steps is None and self.total_epochs and self.steps_per_epoch:
            steps = round(self.total_epochs * self.steps_per_epoch)
        if steps is None:
            return Expected(why_not=self._missing())
        if self.first_end_ns is None or self.count <= self.first_number:
            return Expected(steps=steps, why_not="no two steps have ended yet")
        per_step = (self.last_end_ns - self.first_end_ns) / (self.count - self.first_number)
        left_ns = max(0, steps - self.count) * per_step - (now_monotonic_ns - self.last_end_ns)
        return Expected(steps=steps, end_ns=now_utc_ns + max(0, round(left_ns)))

    def _missing(self) -> str:
        if self.total_epochs:
            return "the length of an epoch is not known before one is over"
        return "the number of epochs is not known; give --epochs or --total-steps"
