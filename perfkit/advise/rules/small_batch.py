"""The batch is so small that most of a step is the price of making one.

Every operator costs some microseconds to call, and the optimizer, the backward pass and Python cost the same for four
samples as for sixty-four. Speaks on a CPU for batches of at most 16 samples where the arithmetic, at the processor's
rate, is a small part of the step.

Cure: a larger batch; the title says how large. In training this changes the optimization, not only its speed (the
learning rate usually grows with the batch), so it is for the person to decide; in inference it changes nothing.

How the gain is told, per sample. The step is a fixed part and one that grows with the batch: its FLOPs at the processor's peak (high end) or at
two thirds of it (low end), and 3 to 15 % of the rest for what grows besides. Of the time in the loader 20 to 70 % counts as fixed. The batch told
is 64, or less where activations would outgrow 1 MiB. Measured (torch 2.13, one thread), 1 → 8: MLP of 96 units 86 %,
LSTM 79 %, small transformer on 8 positions 69 %, small convolution network 60 %; 4 → 16 in training: MLP of 64 units 74 %, of 256 67 %;
8 → 64 with a loader in the same process: 67 %.

Larger is not always better: a convolution network on pictures of 224 by 224 took 43 % *more* per sample in batches of 8,
and 2.8 times as much in batches of 64, whose activations no cache holds. So it is silent where one sample's activations exceed 256 KiB,
where the arithmetic counts or a compiled graph hides it, beside other ranks, for batches above 16, and on a GPU (the rule launch judges that).
"""

from __future__ import annotations

import math
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import is_on_cpu, operators, shapes
from ..what_if import ms, percent, phase_seconds, step_seconds

# Above this the batch is a choice that training rests on, and the gain is small.
MOST_SAMPLES = 16
WANTED = 64
LEAST_GROWTH = 4
MOST_ACTIVATION_BYTES = 2**20
BYTES_PER_ELEMENT = 4
# FLOP/s of a core where the processor was not measured: assumed, as of AVX-512 and AVX2 cores of recent years.
PEAK_UNMEASURED = (50e9, 120e9)
# Of the peak, what small products reach.
OF_PEAK = (0.65, 1.0)
MIN_FIXED = 0.40
OF_FIXED = (0.85, 0.97)
LOADER_FIXED = (0.20, 0.70)
# A step that waits longer than this for its data has another trouble first.
MOST_LOADING = 0.25
MIN_SAVES = 0.20
# A step longer than this is not made of calls alone.
MOST_STEP_S = 0.02
COUNTED = ("matmul", "convolution", "attention")
LINK = "https://docs.pytorch.org/tutorials/recipes/recipes/tuning_guide.html"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    headline: Row,
    model: Row,
    host_operators: list[Row],
    cpu_peaks: Row | None = None,
    loader: Row | None = None,
    torch: Row | None = None,
) -> Finding | None:
    """Judge the size of the batch on a CPU."""
    step, loading = step_seconds(breakdown), phase_seconds(breakdown, "data")
    batch = int((loader or {}).get("batch_size") or headline.get("samples_per_step") or 0)
    if (
        loading > MOST_LOADING * step
        or not 0 < step <= MOST_STEP_S
        or not 0 < batch <= MOST_SAMPLES
        or not _can_tell(model)
    ):
        return None
    rows = operators(host_operators)
    larger = _larger(rows, batch)
    if larger < LEAST_GROWTH * batch:
        return None
    fixed = [1 - _growing(rows, peak) / (step - loading) for peak in _peaks(cpu_peaks, torch)]
    if fixed[0] < MIN_FIXED:
        return None
    share = loading / step
    ends = [OF_FIXED[i] * fixed[i] * (1 - share) + LOADER_FIXED[i] * share for i in (0, 1)]
    gain = Interval(low=(1 - batch / larger) * ends[0], high=(1 - batch / larger) * ends[1])
    if gain.low < MIN_SAVES:
        return None
    return _finding(gain, batch, larger, step, fixed, headline.get("mode") == "inference")


def _can_tell(model: Row) -> bool:
    """Whether its operators show what it does: not within a compiled graph, nor while it waits for other ranks."""
    return is_on_cpu(model) and not model.get("compiled") and not model.get("wrapper")


def _larger(rows: list[Row], batch: int) -> int:
    """The batch to tell: a power of two times the present one, its activations within the caches' reach."""
    elements = [math.prod(first) for row in rows if (first := _activation(row, batch))]
    each = max(elements, default=1) * BYTES_PER_ELEMENT / batch
    most = min(WANTED, MOST_ACTIVATION_BYTES / each)
    return int(batch * 2 ** math.floor(math.log2(max(1.0, most / batch))))


def _activation(row: Row, batch: int) -> list[int]:
    """Shape of the first input where it is a batch, not a parameter."""
    found = shapes(row)
    is_batch = found and len(found[0]) > 1 and found[0][0] == batch and row.get("work") not in ("matmul", "optimizer")
    return found[0] if is_batch and row.get("module") != "optimizer" else []


def _peaks(measured: Row | None, torch: Row | None) -> tuple[float, float]:
    peak = (measured or {}).get("fp32_flops")
    if peak:
        return OF_PEAK[0] * peak, OF_PEAK[1] * peak
    threads = (torch or {}).get("num_threads") or 1
    return PEAK_UNMEASURED[0] * threads, PEAK_UNMEASURED[1] * threads


def _growing(rows: list[Row], peak: float) -> float:
    """Seconds per step that grow with the batch; of a matrix operator whose FLOPs are unknown, all it takes."""
    matrix = [row for row in rows if row.get("work") in COUNTED]
    counted = sum(float(row["flops"]) for row in matrix if row.get("flops") is not None)
    return counted / peak + sum(float(row["seconds_per_step"]) for row in matrix if row.get("flops") is None)


def _finding(gain: Interval, batch: int, larger: int, step: float, fixed: list[float], inferring: bool) -> Finding:
    how = f"batch_size={larger}"
    return Finding(
        rule="small_batch",
        cause="batch",
        title=f"Compute {larger} samples at a time instead of {batch}",
        evidence={
            "samples per step": batch,
            "step": ms(step),
            "of it the same for any batch": f"{percent(fixed[0])} to {percent(fixed[1])} of what is not loading",
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="batch-size", parameters={"batch_size": larger}),
        how=how if inferring else how + "   # training changes with it: the learning rate usually has to grow too",
        links=[LINK],
        takes={"forward": 1.0, "backward": 1.0, "optimizer": 1.0, "other": 1.0},
        alternatives="fixed cost",
    )
