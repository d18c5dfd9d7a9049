"""What is compared with what: perfkit's detectors, river's as they come, a fixed 3σ rule, and never saying anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .adwin import river_drift
from .arm import CHARTS
from .base import Allowance
from .conditioner import WARMUP
from .detectors import SeriesDetector
from .policy import Plan


class Alarm(Protocol):
    """Whatever says yes or no to the next value."""

    def __call__(self, value: float) -> bool:
        """Whether *value* raises an alarm."""


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A way to detect. ``make`` is given a seed and the number of values that will come."""

    name: str
    make: Callable[[int, int], Alarm]


def ours(name: str, plan: Plan, charts: Sequence[str], rate: float, *, quorum: int = 1) -> Contender:
    """A SeriesDetector with *charts*, conditioned as *plan* says."""

    def make(seed: int, length: int) -> Alarm:
        detector = SeriesDetector(
            charts,
            allowance=Allowance(rate=rate, length=max(1, length - WARMUP)),
            side=plan.side,
            quorum=quorum,
            trend=plan.trend,
            log=plan.log,
            settle=plan.settle,
            least=plan.least,
            seed=seed,
        )
        return lambda value: detector.update(value) is not None

    return Contender(name=name, make=make)


def sigma_rule(sigmas: float = 3.0, reference: int = WARMUP, side: str = "up") -> Contender:
    """Fixed limits: the mean of the first values and so many of their standard deviations."""

    def make(seed: int, length: int) -> Alarm:
        seen: list[float] = []
        limits: list[float] = []

        def alarm(value: float) -> bool:
            if len(seen) < reference:
                seen.append(value)
                if len(seen) == reference:
                    mean, spread = float(np.mean(seen)), float(np.std(seen, ddof=1))
                    limits.extend((mean - sigmas * spread, mean + sigmas * spread))
                return False
            return (side != "down" and value > limits[1]) or (side != "up" and value < limits[0])

        return alarm

    return Contender(name=f"fixed {sigmas:g} sigma", make=make)


def rivers(names: Iterable[str] = ("ADWIN", "PageHinkley")) -> list[Contender]:
    """Detectors of river as they come, on the values as they are. Raises MissingDependency."""
    drift = river_drift()

    def contender(kind: str) -> Contender:
        def make(seed: int, length: int) -> Alarm:
            made = getattr(drift, kind)(**({"seed": seed} if kind == "KSWIN" else {}))

            def alarm(value: float) -> bool:
                made.update(value)
                return bool(made.drift_detected)

            return alarm

        return Contender(name=f"river {kind}", make=make)

    return [contender(kind) for kind in names]


def never() -> Contender:
    """The baseline that says nothing."""
    return Contender(name="never", make=lambda seed, length: lambda value: False)


def contenders(plan: Plan, rate: float, *, with_river: bool = True) -> list[Contender]:
    """Everything that is compared: the policy's choice, two of its charts at once, each chart alone, river's, 3σ and never."""
    charts = [name for name in CHARTS if with_river or name != "adwin"]
    found = [ours("auto", plan, plan.charts, rate)]
    found += [ours(name, plan, (name,), rate) for name in charts]
    return [*found, *(rivers() if with_river else []), sigma_rule(side=plan.side), never()]
