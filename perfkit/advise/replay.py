"""A what-if replay of one step: the host, which waits for its batch and launches the work, beside the device, which
does it. The step takes as long as the longer of the two.

A `Replay` holds the step twice, as it may be at best and at worst for the gain: how long launching takes without the
profiler is known within limits only, and so is every change. A cure is a chain of operations on it, and
`Replay.saves` says what is left of the step::

    replay.faster(["matmul fp32"], (5.0, 2.5)).saves()
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ..analyze.formats import MATRIX_KINDS
from ..model.records import Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Row = dict[str, Any]
#: For the best and the worst case.
Ends = tuple[float, float]

# What a kernel takes however little it does: 4 µs on average in a step of tiny ones (an MLP of width 256, measured on
# an H100). That part does not grow with the batch.
KERNEL_FLOOR_S = 4e-6
# More work per kernel makes it cheaper per sample, or, beyond the caches, dearer. Measured on an H100 on device-bound
# steps at two and four times the batch: 0.95–1.00 (ResNet-50 in float32, GPT-2 in bfloat16).
GROWTH: Ends = (0.95, 1.05)
# Launching for a larger batch, over launching for the batch now: the same work, but an MLP took 12.7 ms instead of 10.0
# with 16 times the batch and BERT 12.8 instead of 9.1 with 8 times, both still waiting for launches (measured, noisy).
LAUNCH_GROWTH: Ends = (1.0, 1.3)
# Matrix kernels shorter than this on average do not fill the device, and grow less than the batch until they do: an
# assumption for the high end (BERT on an H100: 12 µs each at batch 1, and 64 times the batch took 8 times as long).
SHORT_MATRIX_S = 25e-6
# The most of a device's peak that matrix kernels reach (an H100 in bfloat16: 710 of 990 TFLOP/s, GPT-2's vocabulary).
REACHABLE = 0.7
OPTIMIZER = "optimizer"


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, in seconds."""

    #: The host waits for its batch.
    data: float = 0.0
    #: The host launches the step's work.
    launch: float = 0.0
    #: The device's work by pool (`kernels.pool_of`).
    device: Mapping[str, float] = field(default_factory=dict)
    #: Idle moments of the device between pieces of work that are already queued.
    gaps: float = 0.0
    #: What the longer of the two does not explain of the step: in places the host is late, though not on the whole.
    slack: float = 0.0

    @property
    def busy(self) -> float:
        """Seconds that the device works."""
        return sum(self.device.values())

    @property
    def seconds(self) -> float:
        """How long the step takes."""
        return max(self.data + self.launch, self.busy + self.gaps) + self.slack


@dataclass(frozen=True, kw_only=True)
class Replay:
    """A step before, and after what has been changed so far; per sample, relative to the batch before."""

    before_s: float
    best: Step
    worst: Step
    #: Pieces of work that the device does per step.
    kernels: float = 0.0
    #: Mean length of its matrix kernels.
    mean_matrix_s: float = 0.0
    #: Share of the launching that the optimizer takes.
    optimizer_launch: float = 0.0
    #: Size of the batch, over the batch before.
    batch: float = 1.0
    #: Share of the mean step that this one is; the rest, evaluation say, stays as it is.
    share: float = 1.0

    @property
    def after_s(self) -> Ends:
        """The step per as many samples as before, at best and at worst."""
        return self.best.seconds / self.batch, self.worst.seconds / self.batch

    def saves(self) -> Interval:
        """Fraction of the step, per sample, that is saved; never below 0."""
        gains = [max(0.0, 1 - after / self.before_s) * self.share for after in self.after_s]
        return Interval(low=min(gains), high=max(gains))

    def faster(self, pools: Iterable[str], factors: Ends, *, least_s: float = 0.0) -> Replay:
        """The device's work in *pools* becomes faster by *factors*, and takes *least_s* at least: the roofline."""
        chosen = list(pools)
        return self._each(lambda step, factor: _faster(step, chosen, factor, least_s), factors)

    def shorter(self, seconds: Ends) -> Replay:
        """The device has *seconds* less to do, spread over all its work."""
        return self._each(lambda step, less: _scaled(step, 1 - min(1.0, less / step.busy) if step.busy else 1), seconds)

    def launches(self, factors: Ends) -> Replay:
        """Launching takes *factors* of its time, and so does being late with it."""
        return self._each(
            lambda step, factor: replace(step, launch=step.launch * factor, slack=step.slack * factor), factors
        )

    def optimizer_launches(self, factors: Ends) -> Replay:
        """Launching the optimizer's work takes *factors* of its time, the rest as long as before. It may be there that
        the host is late.
        """
        own = self.optimizer_launch
        after = self.launches((1 - own + own * factors[0], 1 - own + own * factors[1]))
        return replace(after, best=replace(after.best, slack=0.0), worst=replace(after.worst, slack=self.worst.slack))

    def captured(self, factors: Ends) -> Replay:
        """All but the optimizer's work is launched in *factors* of its time, as by a CUDA graph."""
        own = self.optimizer_launch
        return self.launches((own + (1 - own) * factors[0], own + (1 - own) * factors[1]))

    def without_wait(self, seconds: Ends) -> Replay:
        """The host waits *seconds* less, for a copy or the device, before it launches on."""
        return self._each(lambda step, less: replace(step, launch=max(0.0, step.launch - less)), seconds)

    def input_hidden(self, load_s: float, workers: int, handover: Ends) -> Replay:
        """Batches that take *load_s* to make come from *workers* processes, and *handover* to receive."""
        return self._each(lambda step, extra: _fed(step, load_s / max(1, workers), extra), handover)

    def larger_batch(self, times: float, *, peak_s: float = 0.0) -> Replay:
        """*times* the batch: loading it and the device's work grow, launching and the optimizer do not. *peak_s*: what
        the matrix products of the batch now would take at the device's peak, where that is known.
        """
        device = _grown(self.best, times, KERNEL_FLOOR_S * self.kernels, GROWTH[0])
        if peak_s and self.mean_matrix_s < SHORT_MATRIX_S:
            device = _filled(self.best, device, times * peak_s / REACHABLE)
        best = replace(self.best, data=self.best.data * times, device=device)
        grown = _grown(self.worst, times, 0.0, GROWTH[1])
        worst = replace(self.worst, data=self.worst.data * times, device=grown)
        return replace(self, best=best, worst=worst, batch=self.batch * times).launches(LAUNCH_GROWTH)

    def busy_at_most(self, shares: Ends) -> Replay:
        """However fast the host, the device is busy for no more than *shares* of the step."""
        return self._each(lambda step, share: replace(step, gaps=max(step.gaps, step.busy * (1 / share - 1))), shares)

    def _each(self, change: Callable[[Step, float], Step], values: Ends) -> Replay:
        return replace(self, best=change(self.best, values[0]), worst=change(self.worst, values[1]))


def _faster(step: Step, pools: list[str], factor: float, least_s: float) -> Step:
    before = sum(step.device.get(name, 0.0) for name in pools)
    after = max(before / factor, min(before, least_s))
    scale = after / before if before else 1.0
    return replace(step, device={n: s * scale if n in pools else s for n, s in step.device.items()})


def _scaled(step: Step, scale: float) -> Step:
    return replace(step, device={name: seconds * scale for name, seconds in step.device.items()})


def _fed(step: Step, each_s: float, handover: float) -> Step:
    """A batch comes every *each_s*: the host waits for what that exceeds its launching by."""
    return replace(step, data=max(0.0, each_s - step.launch - step.slack) + handover)


def _grown(step: Step, times: float, floor_s: float, growth: float) -> dict[str, float]:
    """The device's work at *times* the batch. *floor_s* of it, shared by all kernels, does not grow."""
    fixed = min(1.0, floor_s / step.busy) if step.busy else 0.0
    grows = max(1.0, times * growth)
    return {
        name: seconds if name == OPTIMIZER else seconds * (fixed + (1 - fixed) * grows)
        for name, seconds in step.device.items()
    }


def _filled(before: Step, grown: Mapping[str, float], matrix_s: float) -> dict[str, float]:
    """*grown* with its matrix products as short as *matrix_s*, but no shorter than they were with the smaller batch."""
    names = [name for name in grown if name.partition(" ")[0] in MATRIX_KINDS]
    now = sum(before.device[name] for name in names)
    whole = sum(grown[name] for name in names)
    scale = min(1.0, max(now, matrix_s) / whole) if whole else 1.0
    return {name: seconds * scale if name in names else seconds for name, seconds in grown.items()}
