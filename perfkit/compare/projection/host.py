"""How fast the host really asks for work: a trace shows it under the profiler, which slows it."""

from __future__ import annotations

from dataclasses import dataclass

from ...analyze.operator_table import EVENT_COST_MOST_NS
from ...analyze.trace_view import EVENT_COST_LOW_NS
from .timeline import replay
from .workload import Workload

# Of a step that waits for its device it is not known how long the host takes, only that it takes no longer. Without the profiler it took
# 0.98 of what the trace shows (ResNet-50 on an H100's host) and no more than 0.67 (GPT-2 in float32, by its version in bfloat16).
OF_TRACED = (0.65, 0.8, 1.0)
# A replay this near to the step that was measured explains it.
NEAR = 0.02
# What tracing adds to the host per recorded event: the least and the most that was seen, and what is likely.
EVENT_COST_S = (EVENT_COST_LOW_NS * 1e-9, 1e-6, EVENT_COST_MOST_NS * 1e-9)
MOST_SCALE, ROUNDS = 1.5, 14


@dataclass(frozen=True, kw_only=True)
class HostSpeed:
    """The host's own work over what the trace shows of it, and what of the step the replay does not explain."""

    low: float
    likely: float
    high: float
    #: Seconds that are added to every replayed step.
    slack_s: float = 0.0
    #: Whether the step that was measured tells it, or only limits are known.
    is_measured: bool = False


def host_speed(workload: Workload, step_s: float | None) -> HostSpeed:
    """From the step's time without the profiler, *step_s*; where that is not known, from what recording an event costs."""
    if step_s is None:
        own = max(workload.host_s, 1e-12)
        most, likely, least = (max(0.1, 1 - workload.events_per_step * cost / own) for cost in EVENT_COST_S)
        return HostSpeed(low=least, likely=likely, high=most)
    if _step(workload, 0.0) >= step_s * (1 - NEAR):
        high = _solved(workload, step_s * (1 + NEAR), OF_TRACED[2])
        return HostSpeed(low=min(OF_TRACED[0], high), likely=min(OF_TRACED[1], high), high=high)
    scale = _solved(workload, step_s, MOST_SCALE)
    return HostSpeed(
        low=scale, likely=scale, high=scale, slack_s=max(0.0, step_s - _step(workload, scale)), is_measured=True
    )


def _step(workload: Workload, scale: float) -> float:
    return replay(workload, workload.pieces.seconds, scale).step_s


def _solved(workload: Workload, step_s: float, most: float) -> float:
    """The scale at which the replayed step takes *step_s*, at most *most*: a longer host makes no shorter step."""
    low, high = 0.0, most
    if _step(workload, most) <= step_s:
        return most
    if _step(workload, low) > step_s:
        return OF_TRACED[0]  # the replay is longer than the step, whatever the host does: nothing can be told
    for _ in range(ROUNDS):
        middle = (low + high) / 2
        low, high = (middle, high) if _step(workload, middle) <= step_s else (low, middle)
    return low
