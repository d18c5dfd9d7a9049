"""The figures that runs are set beside one another by: how each is read from a document, and why it may be missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from ..hardware import catalog
from . import facts, parts
from .vocabulary import LAUNCHING

if TYPE_CHECKING:
    from collections.abc import Callable

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One row of the table."""

    key: str
    name: str
    #: s, 1/s, share, B, J, W, usd, cores, MHz or "" for a plain number.
    unit: str
    group: Literal["speed", "step", "device", "efficiency", "memory", "energy", "machine"]
    better: Literal["lower", "higher"] | None
    read: Callable[[Row], float | None]
    #: Where a document says why it has none; and what is said where it does not.
    path: str = ""
    otherwise: str = "not measured in this run"


def at(*keys: str) -> Callable[[Row], float | None]:
    """The number at that place; None where there is none."""

    def read(document: Row) -> float | None:
        found: Any = document
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return float(found) if isinstance(found, int | float) and not isinstance(found, bool) else None

    return read


def _phase(name: str) -> Callable[[Row], float | None]:
    def read(document: Row) -> float | None:
        return next((float(row["seconds_per_step"]) for row in document["breakdown"] if row["name"] == name), None)

    return read


def _idle(name: str) -> Callable[[Row], float | None]:
    """Share of the step in which the device idles for that cause; 0 where it never does."""

    def read(document: Row) -> float | None:
        rows = document["device_breakdown"]
        return (
            float(sum(row["share"] for row in rows if row["kind"] == "idle" and row["name"] == name)) if rows else None
        )

    return read


def busy_s(document: Row) -> float | None:
    """Device work per step."""
    rows = document["device_breakdown"]
    return float(sum(row["seconds_per_step"] for row in rows if row["kind"] == "busy")) if rows else None


def launch_share(document: Row) -> float | None:
    """Share of the step that goes into getting the work to what computes: waiting for launches, or calling operators and Python."""
    if parts.level_of(document) != "traced" or not parts.step_s(document):
        return None
    found = parts.parts(document, "traced")
    return sum(found.get(name, 0.0) for name in LAUNCHING) / sum(found.values())


def bandwidth_share(document: Row) -> float | None:
    """Bytes that the hot operators move at least, over what the memory could move in a step.

    What an operator seems to move faster than the memory can came from a cache, or took its time within another operator.
    """
    limit, step = _bandwidth(document), parts.step_s(document)
    known = [row for row in document["hotspots"] if row.get("bytes") is not None and row["seconds_per_step"] > 0]
    if not limit or not step or not known:
        return None
    return float(sum(min(row["bytes"], limit * row["seconds_per_step"]) for row in known) / (limit * step))


def _bandwidth(document: Row) -> float | None:
    """Of the memory of what computes: as its maker says, or as measured of a processor."""
    found = facts.accelerator(document)
    if found is None:
        return at("host", "cpu_peaks", "stream_bytes_per_s")(document)
    spec = catalog.match(str(found["name"]))
    return spec.bandwidth if spec is not None else None


def headroom_bytes(document: Row) -> float | None:
    """Memory that was left at the peak, of the device that computes or of the host."""
    held = document["memory"].get("held") or {}
    if not held.get("limit_bytes"):
        return None
    return float(held["limit_bytes"] - (held.get("reserved_bytes") or held["peak_bytes"]))


def peak_bytes(document: Row) -> float | None:
    """Memory at the peak, likewise."""
    held = document["memory"].get("held") or {}
    return float(held.get("reserved_bytes") or held["peak_bytes"]) if held.get("peak_bytes") else None


def joules_per_sample(document: Row) -> float | None:
    """Energy of a sample, all ranks together."""
    joules, batch = at("energy", "joules_per_step")(document), facts.batch(document)
    return joules / (batch * facts.ranks(document)) if joules is not None and batch else None


def step_per_sample(document: Row) -> float | None:
    """The mean step over its samples."""
    step, batch = parts.step_s(document), facts.batch(document)
    return step / batch if step and batch else None


def _clock(document: Row) -> float | None:
    found = facts.clock("sm_clock_mhz")(document)
    return found if isinstance(found, float) else None


_BATCH = "the size of a batch could not be told"
_NO_DEVICE = "no device beside the processor worked in it"

METRICS: tuple[Metric, ...] = (
    Metric(key="step_s", name="step (mean)", unit="s", group="speed", better="lower", read=parts.step_s, path="steps.median_s"),
    Metric(key="median_s", name="step (median)", unit="s", group="speed", better="lower", read=at("steps", "median_s"), path="steps.median_s"),
    Metric(key="p95_s", name="step (p95)", unit="s", group="speed", better="lower", read=at("steps", "p95_s"), path="steps.p95_s"),
    Metric(key="sample_s", name="time of a sample", unit="s", group="speed", better="lower", read=step_per_sample, path="steps.samples_per_s", otherwise=_BATCH),
    Metric(key="samples_per_s", name="samples per second", unit="1/s", group="speed", better="higher", read=at("steps", "samples_per_s"), path="steps.samples_per_s", otherwise=_BATCH),
    Metric(key="tokens_per_s", name="tokens per second", unit="1/s", group="speed", better="higher", read=at("steps", "tokens_per_s"), path="steps.tokens_per_s"),
    *(
        Metric(key=f"{name}_s", name=label, unit="s", group="step", better=None, read=_phase(name), path="breakdown", otherwise="no such phase in its steps")
        for name, label in (
            ("data", "waiting for data"), ("prepare", "preparing batches"), ("forward", "forward"), ("backward", "backward"), ("optimizer", "optimizer"),
            ("function", "function"), ("callbacks", "callbacks"), ("evaluation", "evaluation"), ("checkpoint", "checkpoints"), ("logging", "logging"), ("other", "other"),
        )
    ),
    Metric(key="device_busy_s", name="device works", unit="s", group="device", better=None, read=busy_s, path="device_breakdown", otherwise=_NO_DEVICE),
    Metric(key="launch_share", name="launch-bound", unit="share", group="device", better=None, read=launch_share, path="device_breakdown", otherwise="no trace tells it"),
    Metric(key="input_share", name="device waits for data", unit="share", group="device", better=None, read=_idle("input"), path="device_breakdown", otherwise=_NO_DEVICE),
    Metric(key="launches_per_step", name="launches per step", unit="", group="device", better=None, read=at("launches", "launches_per_step"), path="launches", otherwise=_NO_DEVICE),
    Metric(key="mfu", name="of peak FLOP/s (MFU)", unit="share", group="efficiency", better=None, read=at("mfu", "value"), path="mfu"),
    Metric(key="bandwidth_share", name="of memory bandwidth", unit="share", group="efficiency", better=None, read=bandwidth_share, path="hotspots", otherwise="the bytes that its operators move, or the memory's rate, are not known"),
    Metric(key="cores_used", name="cores used", unit="cores", group="machine", better=None, read=at("utilization", "cores_used"), path="utilization.cores_used"),
    Metric(key="gpu_percent", name="device in use (driver)", unit="percent", group="machine", better=None, read=at("utilization", "gpu_percent"), path="utilization.gpu_percent"),
    Metric(key="clock_mhz", name="device clock", unit="MHz", group="machine", better=None, read=_clock, path="utilization.gpu_percent", otherwise=_NO_DEVICE),
    Metric(key="peak_bytes", name="memory at the peak", unit="B", group="memory", better="lower", read=peak_bytes, path="memory.held"),
    Metric(key="headroom_bytes", name="memory left", unit="B", group="memory", better=None, read=headroom_bytes, path="memory.held", otherwise="what there is, is not known"),
    Metric(key="watts", name="power", unit="W", group="energy", better=None, read=at("energy", "watts"), path="energy.watts"),
    Metric(key="joules_per_sample", name="energy per sample", unit="J", group="energy", better="lower", read=joules_per_sample, path="energy.joules_per_step", otherwise=_BATCH),
)  # fmt: skip
