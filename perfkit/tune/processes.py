"""The processes of a search: one after the other, or those of a round in turns; each a fresh one, bounded, and judged when it is over."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..inside.patches.memory_left import memory_left
from ..launch import relay
from ..launch import trial as launch
from . import candidates as choice
from . import plan, trial
from .trial import BASELINE, Trial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ..advise.evidence import Evidence
    from ..launch.request import Request
    from ..launch.sandbox.place import Method
    from ..launch.stdin import Stdin
    from ..model.records import Fix
    from .candidates import Candidate
    from .figures import Figures

# A trial may take so many times as long as expected before it is stopped, and at least so many seconds: compilers take theirs.
PATIENCE, LEAST_PATIENCE_S, COMPILERS_PATIENCE_S = 4.0, 120.0, 300.0
COMPILERS = ("compile", "jit-compile")


@dataclass(kw_only=True)
class Processes:
    """What all processes of one search have in common."""

    #: The command, recorded into the tune's own folder.
    request: Request
    stdin: Stdin
    method: Method
    #: Where compilers keep what they made.
    cache: Path
    #: Seconds that the search has left.
    left_s: Callable[[], float]
    announce: Callable[[str], None]
    length: plan.Length
    #: How long the legs of a relay are; None: no round is run as one.
    legs: plan.Legs | None = None
    #: What one process holds at most, as the baseline did.
    peak_bytes: int = 0

    def settle_on(self, read: Figures, epoch: int, asked: int | None, evidence: Evidence) -> None:
        """Say how long a process is to be and whether rounds are relays, from the recorded baseline."""
        assert read.step_s is not None
        startup_s = read.startup_s or 1.0
        self.length = plan.length(startup_s, read.step_s, epoch, asked)
        self.peak_bytes = read.host_peak_bytes or 0
        # A device goes on with what it was given while its process is stopped, ranks would have to stop together, and what a launcher starts
        # may have a process group of its own.
        alone = self.request.kind != "command" and (evidence.rank_count or 1) == 1
        if relay.is_possible() and alone and evidence.gpu is None and self.peak_bytes:
            self.legs = plan.legs(startup_s, read.step_s, epoch, asked)

    @property
    def process_s(self) -> float:
        """Expected from a process's start to its end."""
        return self.length.process_s if self.legs is None else self.legs.process_s

    @property
    def steps(self) -> int:
        """Steady steps that are timed in a process."""
        return self.length.steps if self.legs is None else self.legs.count * self.legs.steps

    @property
    def steady_steps(self) -> str:
        """The same for a person."""
        if self.legs is None:
            return f"{self.steps} steady steps"
        return f"{self.steps} steady steps, in turns of {self.legs.steps}"

    def patience(self, fixes: Sequence[Fix]) -> float:
        """Seconds that a process with *fixes* may take."""
        least_s = COMPILERS_PATIENCE_S if any(fix.name in COMPILERS for fix in fixes) else LEAST_PATIENCE_S
        return max(least_s, PATIENCE * self.process_s)

    def launched(self, request: Request, limits: launch.Limits) -> launch.Trial:
        """One process of *request*, alone."""
        return launch.run(
            request, limits=limits, stdin=self.stdin, method=self.method, cache=self.cache, announce=self.announce
        )

    def alone(self, arm: str, candidate: Candidate | None, number: int) -> Trial:
        """A process of a round, alone."""
        request, limits = self._ordered(candidate)
        started = time.monotonic()
        done = self.launched(request, replace(limits, steps=self.length.steps))
        return _judged(done, arm, number, time.monotonic() - started)

    def in_turns(self, order: Sequence[Candidate | None], number: int) -> list[Trial]:
        """All processes of a round in turns, None for the baseline; none where they cannot be: too many for the memory, or only one."""
        legs, spare = self.legs, plan.RELAY_MEMORY * memory_left()  # type: ignore[no-untyped-call]
        wanted = self.peak_bytes * (1 + plan.RELAY_TIMES * (len(order) - 1))
        if legs is None or len(order) < 2 or wanted > spare:
            return []
        orders = []
        for candidate in order:
            request, limits = self._ordered(candidate)
            limits = replace(limits, legs=legs.count, leg_steps=legs.steps, leg_s=legs.seconds)
            orders.append(
                relay.Order(request=request, limits=limits, stdin=self.stdin, method=self.method, cache=self.cache)
            )
        found = relay.run(orders, announce=self.announce)
        arms = [BASELINE if candidate is None else candidate.label for candidate in order]
        return [_judged(run.trial, arm, number, run.wall_s) for arm, run in zip(arms, found, strict=True)]

    def _ordered(self, candidate: Candidate | None) -> tuple[Request, launch.Limits]:
        fixes = candidate.fixes if candidate is not None else ()
        args = choice.arguments(self.request.args, candidate.sets) if candidate is not None else self.request.args
        # Not long after the time is over.
        seconds = min(self.patience(fixes), max(self.left_s(), PATIENCE * self.process_s))
        limits = launch.Limits(steps=1, seconds=seconds, wall_s=1.5 * seconds)
        return replace(self.request, fixes=fixes, args=args, stacks=False), limits


def _judged(done: launch.Trial, arm: str, number: int, wall_s: float) -> Trial:
    broken = done.reason if done.state in ("failed", "stopped") else ""
    late = done.state in ("time is up", "stopped")
    return trial.judged(done.run, arm, number, done.exit_code, wall_s, broken=broken, late=late)
