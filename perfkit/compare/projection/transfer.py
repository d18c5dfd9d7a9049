"""Device work moved to another device: each kernel by what limits it, its arithmetic, the memory, or neither.

A kernel keeps the efficiency that was measured: what it took over what the roofline allows. Between the two limits it is
moved as Habitat does (Yu et al., USENIX ATC 2021): by the ratio of bandwidths to the power of its memory share, times the ratio of
peaks to the power of the rest. A kernel that does not fill the device gains nothing by more multiprocessors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ...analyze.classes import BUSY, COMMUNICATION, COPY
from ...analyze.formats import MATRIX_KINDS
from .times import Factors, Times
from .workload import FORMATS

if TYPE_CHECKING:
    from ...hardware.catalog import DeviceSpec
    from .workload import Pieces

# A kernel takes this long however little it does: 2 µs is the shortest that traces of an H100 show.
FLOOR_S = 2e-6
# A kernel that moves at least this share of what the memory could is limited by it: real copies reach 0.8-0.9 of the rate.
FULL_RATE = 0.6
# Where its bytes are not known: of work that goes through memory (optimizers, normalisation and the like) so much is the memory's doing.
ASSUMED_MEMORY_SHARE = 0.8
# How far the memory's share may be off.
SHARE_OFF = 0.25
# What else may differ: between devices of one architecture, and of two, whose kernels are others. Matrix kernels differ most: on the
# newer device they reach 5 to 15 points less of their peak (MI300X, H100: research on attainable against published peaks).
OFF_WITHIN, OFF_BETWEEN, OFF_MATRIX = 0.04, 0.12, 0.2
# Copies from and to the host, and communication: nothing in a catalogue tells how the other machine is wired.
WIRING = (0.8, 1.25)
# With more waves than this their number hardly counts.
FEW_WAVES = 4


def moved(pieces: Pieces, origin: DeviceSpec, target: DeviceSpec) -> Times:
    """The pieces' times on *target*, which took what they took on *origin*."""
    times = Times.exactly(pieces.seconds)
    if origin == target:
        return times
    share = memory_share(pieces, origin, target)
    off = _off(pieces, origin, target)
    arithmetic, memory = _arithmetic(pieces, origin, target), origin.bandwidth / target.bandwidth
    ratios = [memory**each * arithmetic ** (1 - each) for each in _around(share)]
    low, high = np.minimum(*ratios[::2]) * (1 - off), np.maximum(*ratios[::2]) * (1 + off)
    factors = Factors(low=low, likely=ratios[1], high=high)
    outside = pieces.of_kind(COPY, COMMUNICATION) & ~pieces.is_local
    factors = factors.where(outside, WIRING[0], 1.0, WIRING[1])
    fixed = np.minimum(pieces.seconds, FLOOR_S)
    return (
        Times.exactly(pieces.seconds - fixed)
        .scaled(factors)
        .each(lambda seconds: np.fmax(fixed + seconds, _least(pieces, target)))
    )


def _around(share: Any) -> tuple[Any, Any, Any]:
    return np.maximum(share - SHARE_OFF, 0), share, np.minimum(share + SHARE_OFF, 1)


def memory_share(pieces: Pieces, origin: DeviceSpec, target: DeviceSpec) -> Any:
    """How much of each piece is the memory's doing, 0 to 1."""
    matrix = pieces.of_kind(*MATRIX_KINDS)
    peak = peaks(pieces, target)
    ridge = peak / target.bandwidth
    with np.errstate(divide="ignore", invalid="ignore"):
        intensity = pieces.flops / pieces.bytes
        by_intensity = np.where(intensity <= ridge, 1 - 0.5 * intensity / ridge, 0.5 * ridge / intensity)
        rate = pieces.bytes / origin.bandwidth / pieces.seconds
    # Faster than the memory is a cache.
    by_rate = np.where(rate > 1, 0.0, np.minimum(rate / FULL_RATE, 1.0))
    found = np.where(matrix, by_intensity, by_rate)
    assumed = np.where(matrix, 0.2, ASSUMED_MEMORY_SHARE)
    return np.where(pieces.is_local | pieces.of_kind("memset"), 1.0, np.where(np.isnan(found), assumed, found))


def peaks(pieces: Pieces, spec: DeviceSpec) -> Any:
    """FLOP/s that *spec* has at most for each piece, by its number format; matrix kernels of unknown format as in 16 bit."""
    found = np.array([peak_of(spec, name) for name in FORMATS])[pieces.format]
    return np.where(pieces.of_kind(*MATRIX_KINDS), found, _vector(spec))


def peak_of(spec: DeviceSpec, name: str) -> float:
    """Of matrix products in one of FORMATS: what *spec* has no units for goes at the rate of all others."""
    if name in ("fp32", "tf32"):
        return spec.matrix_peak(name) or spec.matrix_peak("fp32") or _vector(spec)
    return spec.matrix_peak("bf16") or spec.matrix_peak("fp16") or spec.matrix_peak("fp32") or _vector(spec)


def _vector(spec: DeviceSpec) -> float:
    return spec.peak_flops.get("fp32") or max(spec.peak_flops.values())


def _arithmetic(pieces: Pieces, origin: DeviceSpec, target: DeviceSpec) -> Any:
    """Ratio of times where arithmetic decides: of peaks, or for kernels of few waves of these and the clocks."""
    ratio = peaks(pieces, origin) / peaks(pieces, target)
    if not origin.multiprocessors or not target.multiprocessors:
        return ratio
    per_unit = ratio * target.multiprocessors / origin.multiprocessors
    before, after = (waves(pieces, spec.multiprocessors) for spec in (origin, target))
    # As many blocks as multiprocessors, or a multiple: the kernel was cut to fit the device, and will be again.
    cut_to_fit = pieces.blocks % origin.multiprocessors == 0
    few = (pieces.blocks > 0) & (before <= FEW_WAVES) & ~cut_to_fit
    return np.where(few, per_unit * after / before, ratio)


def waves(pieces: Pieces, multiprocessors: int | None) -> Any:
    """How often the device is filled with a kernel's blocks, in whole numbers; 1 where the launch is not known."""
    at_once = (multiprocessors or 1) * pieces.resident
    return np.maximum(np.ceil(np.maximum(pieces.blocks, 1) / at_once), 1)


def _off(pieces: Pieces, origin: DeviceSpec, target: DeviceSpec) -> Any:
    if origin.capability and origin.capability == target.capability:
        return np.full(len(pieces), OFF_WITHIN)
    return np.where(pieces.of_kind(*MATRIX_KINDS), OFF_MATRIX, OFF_BETWEEN)


def _least(pieces: Pieces, target: DeviceSpec) -> Any:
    """No kernel does its arithmetic faster than the peak; NaN where it is not known."""
    return pieces.flops / peaks(pieces, target)


def by_class(pieces: Pieces, seconds: Any, steps: int) -> dict[str, float]:
    """Seconds per step by class of work."""
    sums = np.bincount(pieces.kind, weights=seconds, minlength=len(BUSY)) / steps
    return {name: float(total) for name, total in zip(BUSY, sums, strict=True) if total > 0}
