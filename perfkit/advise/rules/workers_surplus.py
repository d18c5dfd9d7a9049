"""There are more loader workers than cores.

Speaks when the workers of a loader outnumber the cores that the process may use, those cores are busy, and the step
waits for batches all the same. Workers that compute take turns then: none of them makes the loader faster, they push
each other and the model out of the caches, and each has to be started, in every epoch again unless
``persistent_workers=True``. Cure: as many workers as cores at most, started once.

How the gain is told. Starting, ending and the first batches are timed, epoch by epoch: keeping the workers saves starting
and ending them, and between a third and all of the wait for the first batches. With fewer workers the rest of the
step becomes 5 to 30 % shorter (measured once: 8 workers on two cores against 2, both kept: 18 %).

It is silent when the workers wait for storage and leave cores idle (then more of them than cores is right), when they
hardly compute (then receiving the batches is what the step waits for), when they do not outnumber the cores, and when the step does not wait for them.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

MIN_SHARE = 0.05
# Of the cores, busy with us and others: below that the workers wait for something else.
BUSY_CORES = 0.75
# From so many workers for each core on they are too many; one more than there are cores does no harm.
FEWEST_WORKERS_OVER = 1.5
# Of the cores that others leave, what the workers have to use; and what others leave at least.
MIN_COMPUTING, LEAST_LEFT = 0.3, 0.25
CROWDED = (0.30, 0.05)
FIRST_GONE = (1.0, 0.33)

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    loader: Row,
    cores: int,
    cores_used: float,
    loader_waits: Row | None = None,
    others_cores: float | None = None,
    worker_cores: float | None = None,
) -> Finding | None:
    """Judge whether loader workers outnumber the cores."""
    step, wait = step_seconds(breakdown), phase_seconds(breakdown, "data")
    workers = loader.get("num_workers") or 0
    if not step or wait / step < MIN_SHARE or workers < FEWEST_WORKERS_OVER * cores:
        return None
    if cores_used + (others_cores or 0.0) < BUSY_CORES * cores or _are_idle(worker_cores, cores, others_cores):
        return None
    starting = _starting(loader, loader_waits)
    after = [(step - min(wait, seconds)) * (1 - crowded) for seconds, crowded in zip(starting, CROWDED, strict=True)]
    evidence: Row = {
        "num_workers": workers,
        "cores allowed": cores,
        "waiting for data": f"{ms(wait)} of the {ms(step)} step ({percent(wait / step)})",
    }
    if starting[0]:
        evidence["starting and ending them"] = f"{ms(starting[0])} per step, in every epoch again"
    keep = "" if loader.get("persistent_workers") else ", persistent_workers=True"
    return Finding(
        rule="workers_surplus",
        cause="input",
        title=f"Use {cores} loader {'worker' if cores == 1 else 'workers'} instead of {workers}",
        evidence=evidence,
        saves=saved(step, after),
        confidence="medium",
        fix=Fix(name="loader-workers", parameters={"num_workers": cores, "persistent_workers": True}),
        how=f"DataLoader(..., num_workers={cores}{keep})",
        links=["https://pytorch.org/docs/stable/data.html#multi-process-data-loading"],
        alternatives="loading",
    )


def _are_idle(worker_cores: float | None, cores: int, others_cores: float | None) -> bool:
    """Whether the workers hardly compute, by what others leave of the cores."""
    left = max(LEAST_LEFT * cores, cores - (others_cores or 0.0))
    return worker_cores is not None and worker_cores < MIN_COMPUTING * left


def _starting(loader: Row, waits: Row | None) -> tuple[float, float]:
    """Seconds per batch that workers kept between epochs would save, at most and at least."""
    if loader.get("persistent_workers") or not waits or not waits["batches"] or waits["starts"] < 2:
        return 0.0, 0.0
    bare = waits.get("start_seconds", 0.0) + waits.get("end_seconds", 0.0)
    most, least = (bare + part * waits["first_seconds"] for part in FIRST_GONE)
    return most / waits["batches"], least / waits["batches"]
