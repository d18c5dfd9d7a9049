"""The chain of health: healthy → degraded → failed, estimated from how a run went.

Discrete time: one state per interval of equal length. The transition matrix P is counted; its stationary distribution π solves
πP = π; the time to failure solves (I − Q) t = 1 over the states that are not failed. Source: Kemeny and Snell, Finite Markov Chains
(1960), ch. 3 and 4.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...model.monitoring import Event

Health = Literal["healthy", "degraded", "failed"]
STATES: tuple[Health, ...] = ("healthy", "degraded", "failed")
FAILED = STATES.index("failed")
#: Confidence of intervals and bounds.
CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class TimeToFailure:
    """Expected time from a healthy start until failure, in the unit of the interval times its length.

    ``expected`` is None where nothing failed: then only ``low`` is known, a lower bound at ``confidence``.
    """

    expected: float | None
    low: float
    high: float
    failures: int
    confidence: float = CONFIDENCE


@dataclass(frozen=True, kw_only=True)
class HealthChain:
    """What was estimated. Matrices are over STATES; rows of states that were never left are unknown and hold NaN."""

    counts: NDArray[np.int64]
    transitions: NDArray[np.float64]
    #: Long-run share of each state; NaN where the record cannot tell (a state that was entered and never seen to be left).
    stationary: NDArray[np.float64]
    #: Intervals that were spent in each state.
    time_in_state: NDArray[np.int64]
    #: Mean intervals of one stay in each state; NaN where none ended.
    mean_stay: NDArray[np.float64]
    time_to_failure: TimeToFailure


def stationary(transitions: NDArray[np.float64]) -> NDArray[np.float64]:
    """π with πP = π and Σπ = 1, of a stochastic matrix with one recurrent class; shape (n,).

    By elimination without subtractions (Grassmann, Taksar and Heyman, Operations Research 33 (1985)), which loses no digits.
    Raises ValueError where there are several recurrent classes: π is then not one thing.
    """
    p = np.array(transitions, dtype=np.float64)
    count = p.shape[0]
    classes = _recurrent(p)
    if len(classes) != 1:
        raise ValueError(f"{len(classes)} sets of states that are never left; the long run depends on the start")
    within = classes[0]
    found = np.zeros(count)
    q = p[np.ix_(within, within)].copy()
    size = len(within)
    for last in range(size - 1, 0, -1):
        q[:last, last] /= q[last, :last].sum()
        q[:last, :last] += np.outer(q[:last, last], q[last, :last])
    weights = np.zeros(size)
    weights[0] = 1.0
    for state in range(1, size):
        weights[state] = weights[:state] @ q[:state, state]
    found[within] = weights / weights.sum()
    return found


def _recurrent(p: NDArray[np.float64]) -> list[list[int]]:
    """Sets of states that reach each other and nothing else."""
    count = p.shape[0]
    reach = (p > 0) | np.eye(count, dtype=bool)
    for middle in range(count):
        reach |= np.outer(reach[:, middle], reach[middle])
    closed = {
        tuple(np.flatnonzero(reach[i]).tolist())
        for i in range(count)
        if all(reach[j, i] for j in np.flatnonzero(reach[i]))
    }
    return [list(group) for group in sorted(closed)]


def estimate(states: Sequence[Health], *, interval: float = 1.0) -> HealthChain:
    """The chain of a record of *states*, one per interval; times come out in the unit of *interval*. At least one state."""
    if not states:
        raise ValueError("no states: a chain needs at least one interval")
    index = [STATES.index(state) for state in states]
    counts = np.zeros((len(STATES), len(STATES)), dtype=np.int64)
    for before, after in pairwise(index):
        counts[before, after] += 1
    rows = counts.sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        transitions = counts / rows[:, np.newaxis]
        ended = rows - np.diagonal(counts)
        stay = np.where(ended > 0, rows / ended, np.nan) * interval
    spent = np.bincount(index, minlength=len(STATES))
    return HealthChain(
        counts=counts,
        transitions=transitions,
        stationary=_long_run(transitions, spent),
        time_in_state=spent,
        mean_stay=stay,
        time_to_failure=_until_failure(counts, interval),
    )


def _long_run(transitions: NDArray[np.float64], spent: NDArray[np.int64]) -> NDArray[np.float64]:
    seen = np.flatnonzero(spent)
    found = np.full(len(STATES), np.nan)
    within = transitions[np.ix_(seen, seen)]
    if np.isnan(within).any():
        return found  # a state was entered at the very end: how it is left was not seen
    try:
        solved = stationary(within)
    except ValueError:
        return found
    found[:] = 0.0
    found[seen] = solved
    return found


def _until_failure(counts: NDArray[np.int64], interval: float) -> TimeToFailure:
    alive = counts[:FAILED]
    failures = int(alive[:, FAILED].sum())
    exposed = int(alive.sum())
    if failures == 0:
        # No failure in n intervals: with a chance p each, (1 − p)ⁿ = 5 % at the largest p that is still believed.
        low = -exposed / math.log(1 - CONFIDENCE) * interval if exposed else 0.0
        return TimeToFailure(expected=None, low=low, high=math.inf, failures=0)
    expected = _expected(counts) * interval
    # The number of failures is Poisson given the exposure: its exact interval, as a factor on the mean (Garwood, Biometrika 28 (1936)).
    from scipy.special import gammaincinv

    tail = (1 - CONFIDENCE) / 2
    most = float(gammaincinv(failures + 1, 1 - tail))
    least = float(gammaincinv(failures, tail))
    return TimeToFailure(
        expected=expected, low=expected * failures / most, high=expected * failures / least, failures=failures
    )


def _expected(counts: NDArray[np.int64]) -> float:
    """Intervals from healthy until failed."""
    seen = [state for state in range(FAILED) if counts[state].sum()]
    q = np.array([[counts[a, b] / counts[a].sum() for b in seen] for a in seen])
    times = np.linalg.solve(np.eye(len(seen)) - q, np.ones(len(seen)))
    return float(times[0])


def states_of(events: Iterable[Event], steps: Sequence[int], *, failed_at: int | None = None) -> list[Health]:
    """The state at each of *steps* (ascending) that the *events* of a run tell: degraded from a degradation, a fault or a value that
    cannot be right until it has recovered; failed from step *failed_at* on.
    """
    marks = sorted(
        (
            (e.step, e)
            for e in events
            if e.step is not None and e.kind in ("degradation", "fault", "validity", "recovered")
        ),
        key=lambda pair: pair[0],
    )
    found: list[Health] = []
    open_: set[tuple[str, str]] = set()
    at = 0
    for step in steps:
        while at < len(marks) and marks[at][0] <= step:
            event = marks[at][1]
            (open_.discard if event.kind == "recovered" else open_.add)((event.metric, event.source))
            at += 1
        if failed_at is not None and step >= failed_at:
            found.append("failed")
        else:
            found.append("degraded" if open_ else "healthy")
    return found
