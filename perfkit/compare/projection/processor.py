"""A step that computes on the processor, moved to another machine: each operator by what limits it, both machines having been calibrated.

Large matrix operators go with the measured rate of products, other large operators with the measured rate of memory, small ones with what
calling a small operator costs, and the rest of the step, Python, with the speed of the interpreter.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...analyze.formats import MATRIX_KINDS
from ...analyze.roofline import compute_dtype
from .project import Three

if TYPE_CHECKING:
    from ...hardware.calibration import Calibration

Row = dict[str, Any]

# A call that takes longer than this is work, a shorter one mostly the way to it: a small operator of torch takes 2-10 µs.
WORK_S = 30e-6
# How far each may be off: libraries choose other kernels for another processor, and a rate of large products says little about small ones.
OFF = {
    "products": (0.75, 1.3),
    "memory": (0.75, 1.3),
    "calls": (0.9, 1.15),
    "python": (0.9, 1.15),
    "batches": (0.85, 1.2),
}
LOADING = "DataLoader"


@dataclass(frozen=True, kw_only=True)
class Rates:
    """Times as long as here that each takes there; None where it is not known of both."""

    #: Number format → ratio.
    products: dict[str, float]
    memory: float | None
    calls: float | None
    python: float | None
    batches: float | None


@dataclass(frozen=True, kw_only=True)
class Moved:
    """A step on another processor."""

    from_step_s: float
    step_s: Three
    #: Part of the step → seconds here and likely there.
    parts: dict[str, tuple[float, float]]
    notes: list[str]


def rates(here: Calibration, there: Calibration, threads: int | None) -> Rates:
    """From both calibrations; with one thread where the run computed with one."""
    now, then = _processor(here, threads), _processor(there, threads)
    speeds = {"calls": "dispatch_s", "python": "interpreter_s"}
    return Rates(
        products={
            dtype: now["flops"][dtype] / rate for dtype, rate in then["flops"].items() if now["flops"].get(dtype)
        },
        memory=_ratio_of(then["bandwidth"], now["bandwidth"]),  # rates, not times: the other way round
        **{name: _ratio_of(here.host_speed.get(key), there.host_speed.get(key)) for name, key in speeds.items()},
        batches=_ratio_of(here.loader.get("decode_s"), there.loader.get("decode_s")),
    )


def _ratio_of(now: float | None, then: float | None) -> float | None:
    """Of times: then over now."""
    return then / now if now and then else None


def _processor(known: Calibration, threads: int | None) -> Row:
    cpu = known.device("cpu")
    alone = {
        "flops": {name: rate for name, rate in (cpu.one_thread.get("flops") or {}).items() if rate},
        "bandwidth": cpu.one_thread.get("bandwidth"),
    }
    return alone if threads == 1 and alone["flops"] else {"flops": cpu.flops, "bandwidth": cpu.bandwidth}


def move(operators: list[Row], step_s: float, rates: Rates) -> Moved:
    """A step of *operators* (rows of host operators, per step), which takes *step_s* here."""
    parts: dict[str, list[float]] = {name: [0.0, 0.0, 0.0, 0.0] for name in OFF}
    left = step_s
    for row in operators:
        seconds = float(row["seconds_per_step"])
        left -= seconds
        _add(parts, _part(row), seconds, _ratio(row, rates))
    _add(parts, "python", max(0.0, left), rates.python)
    whole = [
        max(step_s, sum(times[0] for times in parts.values())),
        *(sum(t[end] for t in parts.values()) for end in (1, 2, 3)),
    ]
    scale = step_s / whole[0]
    return Moved(
        from_step_s=step_s,
        step_s=Three.of((whole[1] * scale, whole[2] * scale, whole[3] * scale)),
        parts={name: (times[0] * scale, times[2] * scale) for name, times in parts.items() if times[0] > 0},
        notes=_notes(rates),
    )


def _add(parts: dict[str, list[float]], name: str, seconds: float, ratio: float | None) -> None:
    low, high = OFF[name]
    times = parts[name]
    for place, factor in enumerate((1.0, (ratio or 1.0) * low, ratio or 1.0, (ratio or 1.0) * high)):
        times[place] += seconds * factor


def _part(row: Row) -> str:
    """What limits an operator."""
    if LOADING in str(row["name"]):
        return "batches"
    if row["kind"] != "operator":
        return "python"
    if float(row["seconds_per_step"]) / max(float(row.get("calls_per_step") or 0), 1e-9) < WORK_S:
        return "calls"
    return "products" if row.get("work") in MATRIX_KINDS else "memory"


def _ratio(row: Row, rates: Rates) -> float | None:
    part = _part(row)
    if part != "products":
        found: float | None = getattr(rates, part)
        return found
    dtype = compute_dtype(row.get("dtypes"), None) or "fp32"
    return rates.products.get(dtype, rates.products.get("fp32"))


def _notes(rates: Rates) -> list[str]:
    names = {"memory": "memory", "calls": "calling a small operator", "python": "Python", "batches": "making a batch"}
    unknown = [told for name, told in names.items() if getattr(rates, name) is None]
    unknown += [] if rates.products else ["matrix products"]
    return [f"not calibrated on both machines, taken to be alike: {', '.join(unknown)}"] if unknown else []
