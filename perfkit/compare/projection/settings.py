"""The same model with another batch, number format or compiler, on the device it was traced on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ...analyze.classes import BUSY
from ...analyze.formats import MATRIX_KINDS
from .times import Factors, Times
from .transfer import FLOOR_S, peak_of, peaks
from .workload import FORMATS

if TYPE_CHECKING:
    from ...hardware.catalog import DeviceSpec
    from .workload import Pieces, Workload

#: Number formats that can be asked for, and what matrix kernels then compute in.
DTYPES = {"fp32": "fp32", "tf32": "tf32", "bf16": "16-bit", "fp16": "16-bit"}
# Of their peak matrix kernels reach: low, likely, high. Measured on an H100: ResNet-50, GPT-2 and BERT of 8 samples and more.
REACHED = {
    ("matmul", "fp32"): (0.6, 0.72, 0.8),
    ("matmul", "tf32"): (0.45, 0.58, 0.7),
    ("matmul", "16-bit"): (0.4, 0.56, 0.7),
    ("convolution", "fp32"): (0.3, 0.38, 0.5),
    ("convolution", "tf32"): (0.15, 0.21, 0.3),
    ("convolution", "16-bit"): (0.2, 0.32, 0.4),
    ("attention", "fp32"): (0.7, 0.83, 0.9),
    ("attention", "16-bit"): (0.2, 0.45, 0.6),
}
# Products with a dimension that is no multiple of eight, on matrix units: the vocabulary of GPT-2.
REACHED_ODD = {"tf32": (0.15, 0.21, 0.3), "16-bit": (0.1, 0.135, 0.2)}
# All other kernels in 16 bit. Between convolutions everything stays in 16 bit, half the bytes; in other networks normalisation, powers and
# losses go back to 32 bit, and what comes between is cast. (ResNet-50: 0.56 of its time; GPT-2: 1.3 of elementwise work, 0.9 of the rest.)
REST_CONVOLUTIONAL = (0.5, 0.6, 0.9)
REST_ELEMENTWISE, REST_OTHER = (0.8, 1.2, 1.4), (0.8, 0.95, 1.1)
# A twice as large batch makes a kernel that fills the device so many times as long: of matrix kernels and of others (ResNet-50 and GPT-2).
PER_DOUBLING, PER_DOUBLING_OTHER = (1.8, 1.89, 2.0), (1.9, 1.95, 2.02)
# Matrix kernels shorter than this that reach less than others do not fill an H100 (`advise.replay` has the case).
SMALL_S = 25e-6
# Of all work that other settings change, besides.
OFF = (0.95, 1.0, 1.05)
# Fused by the compiler, these kernels take of their time (`advise.rules.compile` has the cases). Attention became slower in the one case that is known.
FUSED = {
    "elementwise": (0.125, 0.18, 0.29),
    "reduction": (0.4, 0.55, 0.83),
    "normalisation": (0.55, 0.7, 1.0),
    "attention": (1.0, 1.4, 2.0),
}
# Launching, compiled: 0.45 at most in GPT-2, 1.3 in an MLP of 24 narrow layers, whose guards and small kernels cost more than they spare.
LAUNCHES_COMPILED = (0.4, 0.55, 1.35)
# For a larger batch over a smaller one.
LAUNCHES_LARGER = (0.97, 1.03, 1.2)
# Under autocast each product brings casts of its operands, each of which the host has to launch (BERT: 2.3 and 25 µs on an H100's host,
# ResNet-50: 2.1 and 12 µs, GPT-2: 1.9).
CASTS, CAST_S = 2.1, (10e-6, 18e-6, 27e-6)
# A weight in 32 bit is read and written in 16 once per step.
CAST_BYTES = 1.5


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What is to be otherwise; None leaves it."""

    #: Times the batch.
    batch: float = 1.0
    dtype: str | None = None
    compiled: bool | None = None

    @property
    def is_plain(self) -> bool:
        """Whether nothing is to be otherwise."""
        return self == Settings()


Three = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Changed:
    """The device's work under other settings, and what becomes of launching it."""

    times: Times
    #: Of the host's own time.
    launches: Three = (1.0, 1.0, 1.0)
    #: Seconds per step that come to it, or go.
    added_s: Three = (0.0, 0.0, 0.0)


def changed(workload: Workload, spec: DeviceSpec, settings: Settings) -> Changed:
    """*workload*, traced on *spec*, under *settings*."""
    times, launches, added = Times.exactly(workload.pieces.seconds), (1.0, 1.0, 1.0), (0.0, 0.0, 0.0)
    pieces = workload.pieces
    if settings.dtype is not None:
        wanted = DTYPES[settings.dtype]
        times, added = _in_format(workload, times, spec, wanted), _casts_s(workload, wanted)
        known = pieces.of_kind(*MATRIX_KINDS) & (pieces.format != FORMATS.index("unknown"))
        pieces = replace(pieces, format=np.where(known, FORMATS.index(wanted), pieces.format))
    if settings.compiled is not None:
        times = _compiled(pieces, times, settings.compiled)
        launches = _together(launches, _ways(LAUNCHES_COMPILED, settings.compiled))
    if settings.batch != 1:
        times = _larger(pieces, times, spec, settings.batch)
        launches = _together(launches, _ways(LAUNCHES_LARGER, settings.batch > 1))
    other = times.likely != workload.pieces.seconds
    off = Factors.same(len(pieces)).where(other, *OFF)
    return Changed(times=times.scaled(off), launches=launches, added_s=added)


def _together(one: Three, other: Three) -> Three:
    return one[0] * other[0], one[1] * other[1], one[2] * other[2]


def _ways(factors: Three, forth: bool) -> Three:
    """*factors*, or what undoes them."""
    return factors if forth else (1 / factors[2], 1 / factors[1], 1 / factors[0])


def _is_sixteen(workload: Workload) -> bool:
    """Whether most matrix time is in 16 bit now."""
    pieces = workload.pieces
    matrix = pieces.of_kind(*MATRIX_KINDS)
    spent = pieces.seconds[matrix]
    return bool(spent[pieces.format[matrix] == FORMATS.index("16-bit")].sum() > spent.sum() / 2)


def _casts_s(workload: Workload, wanted: str) -> Three:
    """Seconds per step that launching the casts takes, which come with 16 bit and go with it."""
    if (wanted == "16-bit") == _is_sixteen(workload):
        return 0.0, 0.0, 0.0
    pieces = workload.pieces
    if wanted == "16-bit":
        count = CASTS * len(np.unique(pieces.operator[pieces.of_kind(*MATRIX_KINDS)])) / workload.steps
        return count * CAST_S[0], count * CAST_S[1], count * CAST_S[2]
    count = float(pieces.is_cast.sum()) / workload.steps
    return -count * CAST_S[2], -count * CAST_S[1], -count * CAST_S[0]


def _in_format(workload: Workload, times: Times, spec: DeviceSpec, wanted: str) -> Times:
    pieces = workload.pieces
    factors = Factors.same(len(pieces))
    for kind in MATRIX_KINDS:
        for now in ("fp32", "tf32", "16-bit"):
            if now == wanted or (kind == "attention" and "16-bit" not in (now, wanted)):
                continue
            chosen = pieces.of_kind(kind) & (pieces.format == FORMATS.index(now))
            for odd in (False, True):
                factors = factors.where(chosen & (pieces.is_odd == odd), *_from_to(kind, now, wanted, spec, odd))
    if (wanted == "16-bit") == _is_sixteen(workload):
        return times.scaled(factors)
    factors = _rest(pieces, factors, wanted == "16-bit")
    return _with_casts(workload, times.scaled(factors), spec, wanted == "16-bit")


def _rest(pieces: Pieces, factors: Factors, forth: bool) -> Factors:
    """Everything but matrix kernels, optimizer and copies."""
    rest = ~pieces.of_kind(*MATRIX_KINDS, "copy", "optimizer") & ~pieces.is_fixed
    convolutions = float(pieces.seconds[pieces.of_kind("convolution")].sum())
    if convolutions > float(pieces.seconds[pieces.of_kind("matmul")].sum()):
        return factors.where(rest, *_ways(REST_CONVOLUTIONAL, forth))
    elementwise = pieces.of_kind("elementwise")
    return factors.where(rest & elementwise, *_ways(REST_ELEMENTWISE, forth)).where(
        rest & ~elementwise, *_ways(REST_OTHER, forth)
    )


def _reached(kind: str, name: str, odd: bool) -> Three:
    return REACHED_ODD[name] if odd and name in REACHED_ODD else REACHED[kind, name]


def _from_to(kind: str, now: str, wanted: str, spec: DeviceSpec, odd: bool) -> Three:
    """Time in *wanted* over time in *now* of matrix kernels."""
    if kind == "attention":  # it is not computed in TF32
        now, wanted = ("fp32" if name == "tf32" else name for name in (now, wanted))
    before, after = _reached(kind, now, odd)[1], _reached(kind, wanted, odd)
    peak = peak_of(spec, now) / peak_of(spec, wanted)
    return peak * before / after[2], peak * before / after[1], peak * before / after[0]


def _with_casts(workload: Workload, times: Times, spec: DeviceSpec, forth: bool) -> Times:
    """Casts of the weights come, spread over all work, or go."""
    pieces = workload.pieces
    if not forth:
        gone = pieces.is_fixed & pieces.of_kind("elementwise")
        return times.each(lambda seconds: np.where(gone, 0.0, seconds))
    added = workload.steps * workload.parameter_bytes * CAST_BYTES / spec.bandwidth
    return times.each(lambda seconds: seconds * (1 + added / max(float(seconds.sum()), 1e-12)))


def _compiled(pieces: Pieces, times: Times, forth: bool) -> Times:
    factors = Factors.same(len(pieces))
    for kind, each in FUSED.items():
        factors = factors.where(pieces.of_kind(kind) & ~pieces.is_fixed, *_ways(each, forth))
    for name, each in REACHED_ODD.items():  # the compiler pads them
        padded = tuple(odd / even for odd, even in zip(each, REACHED["matmul", name], strict=True))
        chosen = pieces.is_odd & (pieces.format == FORMATS.index(name)) & forth
        factors = factors.where(chosen, min(padded), sorted(padded)[1], 1.0)
    return times.scaled(factors)


def _larger(pieces: Pieces, times: Times, spec: DeviceSpec, batch: float) -> Times:
    """Kernels of *batch* times the work: those that fill the device grow nearly as much, others not before they do."""
    matrix, doublings = pieces.of_kind(*MATRIX_KINDS), math.log2(batch)
    grown = [
        np.where(matrix, one**doublings, other**doublings)
        for one, other in zip(PER_DOUBLING, PER_DOUBLING_OTHER, strict=True)
    ]
    low, likely, high = grown if batch > 1 else grown[::-1]
    filled = _filled(pieces, spec, batch)
    factors = Factors(low=np.minimum(low, filled), likely=np.minimum(likely, filled), high=high).where(
        pieces.is_fixed, 1.0, 1.0, 1.0
    )
    made = []
    for seconds, factor in zip(times.ends, (factors.low, factors.likely, factors.high), strict=True):
        fixed = np.minimum(pieces.seconds, FLOOR_S)
        made.append(np.minimum(fixed, seconds) + np.maximum(seconds - fixed, 0) * factor)
    return _at_most_reached(pieces, Times(low=made[0], likely=made[1], high=made[2]), spec, batch)


def _filled(pieces: Pieces, spec: DeviceSpec, batch: float) -> Any:
    """How many times as long *batch* times the blocks take at least: those that leave multiprocessors empty do not grow before they are full."""
    if not spec.multiprocessors:
        return np.full(len(pieces), batch)
    full = float(spec.multiprocessors)  # a second block on one multiprocessor takes its time from the first
    blocks = np.maximum(pieces.blocks, 1)
    found = np.maximum(blocks * batch, full) / np.maximum(blocks, full)
    return np.where(pieces.blocks > 0, found, batch)


def _at_most_reached(pieces: Pieces, times: Times, spec: DeviceSpec, batch: float) -> Times:
    """Matrix kernels too small for the device reach with a larger batch what others reach, and no more."""
    low, likely, high = (_typical(pieces, end) for end in range(3))
    least = pieces.flops * batch / peaks(pieces, spec)
    with np.errstate(invalid="ignore"):
        weak = least / batch / pieces.seconds < low
    empty = (pieces.blocks > 0) & (pieces.blocks < (spec.multiprocessors or 0))
    small = pieces.of_kind(*MATRIX_KINDS) & weak & (empty | (pieces.seconds < SMALL_S))
    if batch <= 1 or not small.any():
        return times
    worst = np.sqrt(np.fmax(pieces.seconds, least / low) * times.high)
    return Times(
        low=np.where(small, np.fmax(pieces.seconds, least / high), times.low),
        likely=np.where(small, np.fmax(pieces.seconds, least / likely), times.likely),
        high=np.where(small, worst, times.high),
    )


def _typical(pieces: Pieces, end: int) -> Any:
    """What matrix kernels of each piece's kind and format reach of their peak, at one *end* of `REACHED`."""
    return np.array([REACHED.get((BUSY[kind], FORMATS[form]), REACHED["matmul", "16-bit"])[end]
                     for kind, form in zip(pieces.kind, pieces.format, strict=True)])  # fmt: skip
