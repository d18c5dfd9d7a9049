"""Whether a run goes on: its state, from what was last seen of it. Times are CLOCK_MONOTONIC nanoseconds; no clock is read here."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from statistics import median

from ...model.monitoring import RunState

# A hang: nothing for so long, and for so many times the usual step; whichever is longer.
HANG_AFTER_S, HANG_STEPS = 60.0, 20
# Before the first step nothing is usual: reading data and compiling take what they take. A process that uses no processor
# either for so many times HANG_AFTER_S is taken to be stuck.
IDLE_FACTOR = 5
IDLE_CORES = 0.01
# From this age on a run that shows no steps and no metrics is running, not starting.
STARTING_S = 30.0
# How many of the last steps tell what is usual.
USUAL_OF = 101


@dataclass(frozen=True, kw_only=True)
class Hang:
    """Why a run is taken to hang."""

    quiet_s: float
    limit_s: float
    #: None before the first steps.
    median_step_s: float | None

    def __str__(self) -> str:
        if self.median_step_s is None:
            return f"no step yet, and no processor used for {self.quiet_s:.0f} s"
        return (
            f"no step for {self.quiet_s:.0f} s (usual step {_seconds(self.median_step_s)}, limit {self.limit_s:.0f} s)"
        )


class Health:
    """Signs of life of one run."""

    def __init__(self, started_ns: int, *, hang_after_s: float = HANG_AFTER_S) -> None:
        self.started_ns = started_ns
        self.hang_after_s = hang_after_s
        self.hang: Hang | None = None
        #: Every step that was expected has been made: what comes now has no steps.
        self.complete = False
        #: Steps cannot be seen any more, so that their absence says nothing.
        self.blind = False
        self._seen = False
        self._sign_ns = self._busy_ns = started_ns
        self._usual: deque[int] = deque(maxlen=USUAL_OF)

    def step(self, end_ns: int, wall_ns: int) -> None:
        """A step has ended."""
        self._usual.append(wall_ns)
        self.sign(end_ns)

    def sign(self, at_ns: int) -> None:
        """Something else that only a living loop does: a batch of an evaluation, a metric, a file being saved."""
        self._seen = True
        self._sign_ns = max(self._sign_ns, at_ns)

    def cores(self, cores: float, at_ns: int) -> None:
        """How many cores the tree uses."""
        if cores >= IDLE_CORES:
            self._busy_ns = at_ns

    @property
    def last_sign_ns(self) -> int:
        """When something was last seen; the start where nothing was."""
        return self._sign_ns

    @property
    def median_step_s(self) -> float | None:
        """Wall time of a usual step; None before there were steps."""
        return median(self._usual) / 1e9 if self._usual else None

    def limit_s(self) -> float:
        """How long without a sign of life is a hang."""
        return max(self.hang_after_s, HANG_STEPS * (self.median_step_s or 0.0))

    def look(self, now_ns: int) -> RunState:
        """How the run stands now."""
        self.hang = None if self.complete or self.blind else self._hang(now_ns)
        if self.hang is not None:
            return "hanging"
        return "running" if self._seen or now_ns - self.started_ns >= STARTING_S * 1e9 else "starting"

    def _hang(self, now_ns: int) -> Hang | None:
        quiet_s, limit_s = (now_ns - self._sign_ns) / 1e9, self.limit_s()
        if self._usual:
            found = Hang(quiet_s=quiet_s, limit_s=limit_s, median_step_s=self.median_step_s)
            return found if quiet_s > limit_s else None
        idle_s, limit_s = (now_ns - max(self._busy_ns, self._sign_ns)) / 1e9, IDLE_FACTOR * self.hang_after_s
        return Hang(quiet_s=idle_s, limit_s=limit_s, median_step_s=None) if idle_s > limit_s else None


def _seconds(value: float) -> str:
    return f"{value * 1e3:.3g} ms" if value < 1 else f"{value:.3g} s"
