"""A traced step on another device or under other settings: a range, and which part of it is the device's and which the host's."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .host import HostSpeed, host_speed
from .settings import Changed, Settings, changed
from .timeline import Replayed, replay
from .times import Times
from .transfer import by_class, moved

if TYPE_CHECKING:
    from ...hardware.catalog import DeviceSpec
    from .workload import Workload

# The host of another machine is not known unless it was calibrated: launching by hosts of such machines differs by so much. The same host
# in another process: on one H100 machine launch-bound steps of the same work lay up to 1.4 times apart from process to process.
OTHER_HOST, SAME_HOST = (0.75, 1.0, 1.35), (0.85, 1.0, 1.2)
# A loader that keeps the device waiting for at least this share of the step is what the step waits for.
INPUT_BOUND = 0.05
# The step is the device's, or the host's, from these shares of device work on.
BY_DEVICE, BY_HOST = 0.9, 0.7


@dataclass(frozen=True, kw_only=True)
class Three:
    """At the least, likely, at the most; seconds."""

    low: float
    expected: float
    high: float

    @classmethod
    def of(cls, values: tuple[float, float, float]) -> Three:
        """In order, whichever way they come."""
        low, middle, high = sorted(values)
        return cls(low=low, expected=middle, high=high)


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a workload is to be moved to."""

    origin: DeviceSpec
    target: DeviceSpec
    settings: Settings = field(default_factory=Settings)
    #: Times as long as here that the host there takes to launch and to interpret; None: it was not calibrated.
    host: float | None = None
    #: Whether it is the machine that the trace is of.
    same_machine: bool = False
    #: Whether the loader has workers of its own; None: not known.
    has_workers: bool | None = None


@dataclass(frozen=True, kw_only=True)
class Projection:
    """A step as it would be."""

    from_step_s: float
    step_s: Three
    #: The device's work.
    device_s: Three
    #: The rest of the step: the device waits for the host.
    host_s: Three
    #: What the step waits for: device, host, input or both (device and host in turns).
    limit: str
    #: Seconds of device work by class, before and likely after.
    classes: dict[str, tuple[float, float]]
    #: The host's own work, likely: launching and Python.
    launching_s: float
    notes: list[str]


def project(workload: Workload, asked: Asked, step_s: float | None) -> Projection:
    """*workload* as *asked*. *step_s*: its step without the profiler, where that is known."""
    speed = host_speed(workload, step_s)
    there = _host_there(asked)
    change = changed(workload, asked.origin, asked.settings)
    times = _moved(workload, change.times, asked)
    scales = (speed.low, speed.likely, speed.high)
    hosts = _hosts(workload, scales, there, change)
    before = [replay(workload, workload.pieces.seconds, scale) for scale in scales]
    data = [host * asked.settings.batch for host in there]  # a larger batch takes as much longer to load
    ends = zip(times.ends, hosts, data, strict=True)
    after = [replay(workload, seconds, scale, data_scale=loading) for seconds, scale, loading in ends]
    steps = [_step(speed, old, new, step_s) for old, new in zip(before, after, strict=True)]
    steps = _fed(workload, steps, [(step_s or before[1].step_s) * loading for loading in data], asked.has_workers)
    device = Three.of((after[0].busy_s, after[1].busy_s, after[2].busy_s))
    step = Three.of((steps[0], steps[1], steps[2]))
    return Projection(
        from_step_s=step_s or before[1].step_s,
        step_s=step,
        device_s=device,
        host_s=Three.of(tuple(max(0.0, s - d.busy_s) for s, d in zip(steps, after, strict=True))),  # type: ignore[arg-type]
        limit=_limit(workload, step.expected, after[1]),
        classes=_classes(workload, times),
        launching_s=after[1].host_s,
        notes=_notes(workload, asked, speed, step_s),
    )


def _host_there(asked: Asked) -> tuple[float, float, float]:
    around = SAME_HOST if asked.same_machine or asked.host is not None else OTHER_HOST
    factor = asked.host or 1.0
    return around[0] * factor, around[1] * factor, around[2] * factor


def _hosts(workload: Workload, scales: tuple[float, ...], there: tuple[float, ...], change: Changed) -> list[float]:
    """What the host's own work takes of its traced time then, with what is launched besides or no longer."""
    own = max(workload.host_s, 1e-12)
    ends = zip(scales, there, change.launches, change.added_s, strict=True)
    return [max(0.1 * scale, scale * launch + added / own) * host for scale, host, launch, added in ends]


def _moved(workload: Workload, times: Times, asked: Asked) -> Times:
    """*times* on the target: each end by its own factors."""
    if asked.origin == asked.target:
        return times
    there = moved(workload.pieces, asked.origin, asked.target)
    now = workload.pieces.seconds
    low, likely, high = (after / now.clip(1e-9) for after in there.ends)
    return Times(low=times.low * low, likely=times.likely * likely, high=times.high * high)


def _step(speed: HostSpeed, before: Replayed, after: Replayed, step_s: float | None) -> float:
    """The step after, in proportion to what the replay makes of the step that was measured."""
    if step_s is None:
        return after.step_s
    return step_s * (after.step_s + speed.slack_s) / (before.step_s + speed.slack_s)


def _is_input_bound(workload: Workload) -> bool:
    return workload.data_s >= INPUT_BOUND * workload.profiled_step_s


def _fed(workload: Workload, steps: list[float], batches_s: list[float], has_workers: bool | None) -> list[float]:
    """No step is shorter than its loader's workers need for a batch (*batches_s*, at each end), which the trace shows where they are the
    limit now. Where it is not known whether there are any, the low end stays.
    """
    if has_workers is False or not _is_input_bound(workload):
        return steps
    floors = [0.0 if has_workers is None else batches_s[0], *batches_s[1:]]
    return [max(step, floor) for step, floor in zip(steps, floors, strict=True)]


def _limit(workload: Workload, step_s: float, after: Replayed) -> str:
    if workload.data_s >= 0.5 * max(0.0, step_s - after.busy_s) and _is_input_bound(workload):
        return "input"
    share = after.busy_s / step_s if step_s else 0.0
    return "device" if share >= BY_DEVICE else "host" if share <= BY_HOST else "both"


def _classes(workload: Workload, times: Times) -> dict[str, tuple[float, float]]:
    pieces = workload.pieces
    now, then = by_class(pieces, pieces.seconds, workload.steps), by_class(pieces, times.likely, workload.steps)
    return {name: (seconds, then.get(name, 0.0)) for name, seconds in now.items()}


def _notes(workload: Workload, asked: Asked, speed: HostSpeed, step_s: float | None) -> list[str]:
    found: list[Any] = []
    if step_s is None:
        found.append(
            "the step without the profiler is not known (perfkit import --step-time): the range holds what tracing may have added"
        )
    if asked.host is None and not asked.same_machine:
        found.append(
            "the other machine's host is taken to be like this one's, 0.75 to 1.35 times its time (perfkit hardware calibrate there would tell)"
        )
    if _is_input_bound(workload) and asked.has_workers is not False:
        found.append("the loader is the limit: its workers are taken to need as long for a batch as here")
    if not speed.is_measured and step_s is not None:
        found.append("the step waits for its device: how long launching takes is known within limits only")
    if workload.pieces.of_kind("communication").any():
        found.append("communication is taken to need as long as here, 0.8 to 1.25 times")
    return found
