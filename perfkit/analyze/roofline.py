"""Work against what the hardware could do: operators and kernels on the roofline, and the model's FLOP/s over the peak.

What an operator must take at least is the longer of its arithmetic at the peak of its number format and its traffic at
the memory's full rate. Traffic is a lower bound (each input read once, each output written once), so is that time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from ..hardware.catalog import DeviceSpec
from .formats import MATRIX_KINDS, kernel_format
from .hot_rows import Hotspot
from .kernels import KernelRow
from .work import StepWork

# A call shorter than this is no longer than what it takes to launch it: 5-10 µs on an H100's host, 2-10 µs of dispatch
# on a CPU. Where it also stays below half of its roofline, its size is the trouble, neither arithmetic nor memory.
SHORT_S = 10e-6
FAR_FROM_ROOF = 0.5
# A copy at a smaller part of the memory's rate goes to another device or the host: PCIe has 1-5 % of it.
ACROSS_THE_BUS = 0.1

_DTYPES = {
    "double": "fp64", "float": "fp32", "c10::BFloat16": "bf16", "c10::Half": "fp16", "signed char": "int8",
    "c10::Float8_e4m3fn": "fp8", "c10::Float8_e5m2": "fp8",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class RooflineRow:
    """A hot operator on the roofline; per step where nothing else is said."""

    name: str
    module: str | None
    basis: str
    seconds_per_step: float
    share: float
    flops: float | None
    bytes: float | None
    #: FLOPs per byte.
    intensity: float | None
    #: Number format whose peak counts.
    dtype: str | None
    attainable_flops_per_s: float | None
    achieved_flops_per_s: float | None
    achieved_bytes_per_s: float | None
    #: Shortest possible time over the time taken.
    efficiency: float
    bound: str


@dataclass(frozen=True, kw_only=True)
class Mfu:
    """Model FLOP/s over a peak."""

    value: float
    flops_per_step: float
    flops_per_s: float
    peak_flops_per_s: float
    #: Which peak, in words.
    peak: str
    dtype: str
    #: Of the matrix time, how much the counted operators are.
    counted_share: float


def matrix_formats(kernels: Iterable[KernelRow]) -> dict[str, str]:
    """Operator → format that its matrix kernels compute in for most of the time."""
    spent: dict[str, dict[str, float]] = {}
    for row in kernels:
        found = kernel_format(row.name) if row.kind in MATRIX_KINDS and row.operator else "unknown"
        if found != "unknown":
            of = spent.setdefault(str(row.operator), {})
            of[found] = of.get(found, 0.0) + row.seconds_per_step
    return {operator: max(of, key=lambda name: of[name]) for operator, of in spent.items()}


def compute_dtype(inputs: str | None, kernel: str | None) -> str | None:
    """Format from the types of the inputs (text of the trace), and from what its kernels compute in, if that is known."""
    named = next((dtype for word, dtype in _DTYPES.items() if f'"{word}"' in (inputs or "")), None)
    first = (inputs or "").strip("[ ").split(",")[0].strip('" ]')
    declared = _DTYPES.get(first, named)
    if kernel == "16-bit":
        return declared if declared in ("fp16", "bf16") else "bf16"
    return kernel if kernel in ("tf32", "fp32") and declared == "fp32" else declared


def with_bounds(rows: list[Hotspot], spec: DeviceSpec, formats: Mapping[str, str]) -> list[Hotspot]:
    """*rows* with what limits each, as far as FLOPs or bytes are known."""
    made = []
    for row in rows:
        placed = place(row, spec, formats.get(row.name))
        made.append(replace(row, bound=placed.bound, efficiency=placed.efficiency) if placed else row)
    return made


def kernels_with_bounds(rows: list[KernelRow], hot: list[Hotspot]) -> list[KernelRow]:
    """*rows* with the bound of the operator that launches each: of its own traffic the trace knows nothing.

    Matrix kernels only: beside one an operator launches conversions and sums of another nature.
    """
    known: dict[str, Hotspot] = {}
    for row in hot:  # the largest comes first
        if row.bound is not None:
            known.setdefault(row.name, row)
    return [
        replace(row, bound=known[row.operator].bound, efficiency=known[row.operator].efficiency)
        if row.kind in MATRIX_KINDS and row.operator in known
        else row
        for row in rows
    ]


def place(row: Hotspot, spec: DeviceSpec, kernel: str | None = None) -> RooflineRow | None:
    """*row* on the roofline of *spec*; None where neither its FLOPs nor its bytes lead to a bound."""
    dtype = compute_dtype(row.dtypes, kernel)
    peak = spec.matrix_peak(dtype) if dtype and row.flops else None
    if row.kind != "operator" or row.seconds_per_step <= 0 or row.bytes is None or (row.flops and not peak):
        return None
    arithmetic = row.flops / peak if row.flops and peak else 0.0
    traffic = row.bytes / spec.bandwidth
    shortest = max(arithmetic, traffic)
    seconds = row.seconds_per_step
    if shortest <= 0 or (row.name == "aten::copy_" and shortest / seconds < ACROSS_THE_BUS):
        return None
    return RooflineRow(
        name=row.name,
        module=row.module,
        basis=row.basis,
        seconds_per_step=seconds,
        share=row.share,
        flops=row.flops,
        bytes=row.bytes,
        intensity=row.flops / row.bytes if row.flops and row.bytes else None,
        dtype=dtype,
        attainable_flops_per_s=row.flops / shortest if row.flops else None,
        achieved_flops_per_s=row.flops / seconds if row.flops else None,
        achieved_bytes_per_s=row.bytes / seconds,
        efficiency=shortest / seconds,
        bound=_bound(arithmetic, traffic, seconds, seconds / max(row.calls_per_step, 1e-9)),
    )


def _bound(arithmetic: float, traffic: float, seconds: float, per_call: float) -> str:
    if per_call < SHORT_S and max(arithmetic, traffic) / seconds < FAR_FROM_ROOF:
        return "launch"
    return "compute" if arithmetic >= traffic else "memory"


def mfu(work: StepWork, spec: DeviceSpec, formats: Mapping[str, str], step_s: float) -> Mfu | None:
    """Model FLOP/s of *work* over the peak of the format that does most of it; None where that has no known peak."""
    by_dtype: dict[str, float] = {}
    for operator, parts in work.flops_by_operator.items():
        for dtypes, flops in parts.items():
            name = compute_dtype(dtypes, formats.get(operator)) or ""
            by_dtype[name] = by_dtype.get(name, 0.0) + flops
    dtype = max(by_dtype, key=lambda name: by_dtype[name], default="")
    peak = spec.matrix_peak(dtype)
    if not peak or not work.flops_per_step or work.counted_share is None or step_s <= 0:
        return None
    achieved = work.flops_per_step / step_s
    return Mfu(
        value=achieved / peak,
        flops_per_step=work.flops_per_step,
        flops_per_s=achieved,
        peak_flops_per_s=peak,
        peak=f"{dtype}, dense, {spec.name}",
        dtype=dtype,
        counted_share=work.counted_share,
    )
