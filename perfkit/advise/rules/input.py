"""The step waits for its next batch.

Speaks when waiting for the DataLoader takes at least 5 % of the mean steady step and loading in (more)
worker processes would give back at least as much. Three cures, chosen by what the loader does today:

- *no workers*: batches are made in the training process. Worker processes make them while the model
  computes.
- *fewer workers than cores*, and the step still waits: more of them.
- *as many workers as cores*: more would only compete. What helps is cheaper loading: decode less, decode
  once and store the result, move work to the device, larger reads.

With workers that are started anew for each epoch it looks at where the waits lie: if they lie at the
epochs' first batches, the cure is ``persistent_workers=True``, not more workers.

How the gain is told. With ``w`` workers a step takes ``max(compute, load / w, cpu / cores)``: the loader
hides behind the compute up to ``w`` times its own pace, and no number of workers makes the machine's cores
do more than they can (``cpu``: CPU seconds per step of the whole process tree, measured). The high end is
that; the low end adds 15 % for contention and uneven batches, 7 % of the loading time for handing tensors
over, and starting the workers in every epoch. It is not the share of the phase: a loader that takes ten
times as long as the model does not vanish behind two workers.

It is silent without a loader (batches made by hand are no loader's fault), for waits below 5 %, and so when
there are workers enough already; also for waits below 3 ms that may save nothing: receiving a batch from a
worker takes 0.1 to 0.3 ms, up to 2.6 on busy cores, so beside a step of 0.3 ms a loader in the same process is
right; and for waits below 3 ms beside workers that hardly compute, which are the receiving itself. It never
suggests more workers than the cores that the process may use. An IterableDataset has to be split between
workers by its author, so there the change is described but never applied by perfkit.
"""

from __future__ import annotations

import math
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

# XProf calls input moderate from 5 % of the step and high from 20 %; below 5 % there is nothing to win.
MIN_SHARE = 0.05
# Contention for caches and memory, and batches that are not all alike.
SLACK = 1.15
# Receiving a batch from a worker, in s, and in proportion to what was loaded: assumed, and set so that two
# measured cases (one on an H100, one on two busy cores) lie inside.
HANDOVER_S = (0.1e-3, 0.6e-3)
HANDOVER_OF_LOAD = 0.07
# Forking a worker of a process that has torch loaded, in s, where workers are started anew in each epoch:
# assumed.
WORKER_START_S = 0.03
# Of the waits at the first batches, what starting the workers accounts for at least; the rest is making the
# batch.
MIN_GONE_WITH_STARTS = 0.5
# What cheaper loading may give depends on the cure: from a quarter of the wait to all of it.
CHEAPER_LOW = 0.25
# Workers that compute for less than this part of their time wait for something else: storage, network, locks.
MIN_COMPUTING = 0.5
# Receiving a small batch from a worker took 1.6 to 2.6 ms on two busy cores, with workers that computed for 2 to 3 %
# of their time (two public scripts). More workers, or faster storage, cannot shorten that.
RECEIVING_S, IDLE_WORKERS = 3e-3, 0.1
HOW_STORAGE = "the workers wait for storage: fewer and larger files, a local copy, a cache in memory"
HOW_DECODE = "decode and resize once and store the result; or do the transforms on the device, on whole batches"
# A wait shorter than this is about what a worker takes to hand a batch over; such a gain is told only where its low
# end is above what noise would show.
SHORT_WAIT_S = RECEIVING_S
MIN_LOW_OF_SHORT = 0.01
LINK = "https://pytorch.org/docs/stable/data.html#multi-process-data-loading"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    loader: Row,
    cores: int,
    loader_waits: Row | None = None,
    cores_used: float | None = None,
    worker_cores: float | None = None,
) -> Finding | None:
    """Judge the wait for batches."""
    said = _judge(breakdown, loader, cores, loader_waits, cores_used, worker_cores)
    is_short = phase_seconds(breakdown, "data") < SHORT_WAIT_S
    return None if said is None or (is_short and said.saves.low <= MIN_LOW_OF_SHORT) else said


def workers_wanted(breakdown: list[Row], loader: Row, cores: int, cores_used: float | None = None) -> int:
    """Loader workers that this rule would have, if it speaks of their number; else those there are."""
    workers = int(loader.get("num_workers") or 0)
    said = check(breakdown, loader, cores, cores_used=cores_used)
    if said is None or (said.fix is None and not loader.get("iterable")):
        return workers
    step, wait = step_seconds(breakdown), phase_seconds(breakdown, "data")
    return _wanted(wait if workers == 0 else workers * step, step - wait, cores)


def _judge(
    breakdown: list[Row],
    loader: Row,
    cores: int,
    loader_waits: Row | None,
    cores_used: float | None,
    worker_cores: float | None,
) -> Finding | None:
    step, wait = step_seconds(breakdown), phase_seconds(breakdown, "data")
    workers = loader.get("num_workers")
    if not step or wait / step < MIN_SHARE or workers is None:
        return None
    evidence = {
        "waiting for data": f"{ms(wait)} of the {ms(step)} step ({percent(wait / step)})",
        "num_workers": workers,
        "cores allowed": cores,
    }
    if cores_used is not None:
        evidence["cores in use"] = round(cores_used, 1)
    if workers and _waits_at_starts(loader, loader_waits, step):
        return _persistent(evidence, loader, wait, step)
    if workers and _only_handed_over(wait, step, workers, worker_cores):
        return None
    if workers >= cores and workers > 0:
        return _cheaper(evidence, wait, step, workers, worker_cores)
    return _more_workers(evidence, loader, cores, wait, step, cores_used)


def _more_workers(
    evidence: Row, loader: Row, cores: int, wait: float, step: float, cores_used: float | None
) -> Finding | None:
    workers = loader["num_workers"]
    compute = step - wait
    # Without workers the wait is the loading; with them, workers that the step waits for are always busy.
    load = wait if workers == 0 else workers * step
    wanted = _wanted(load, compute, cores)
    if wanted <= workers:
        return None
    gain = _gain(loader, load, compute, step, wanted, cores, cores_used)
    if gain.high < MIN_SHARE:
        return None
    if wanted == cores and load / cores > compute:
        evidence["even then"] = "loading is the slower half, and would gain by being cheaper"
    first = workers == 0
    return Finding(
        rule="input",
        cause="input",
        title=f"Load batches in {wanted} worker {'process' if wanted == 1 else 'processes'}"
        if first
        else f"Use {wanted} loader workers instead of {workers}",
        evidence=evidence,
        saves=gain,
        confidence="high" if first and cores_used is not None and gain.low > MIN_SHARE else "medium",
        fix=None if loader.get("iterable") else _fix(wanted),
        how=_how(wanted, loader),
        links=[LINK],
    )


def _only_handed_over(wait: float, step: float, workers: int, worker_cores: float | None) -> bool:
    """Whether the workers hardly compute and the wait is what it takes to receive a batch from another process."""
    if worker_cores is None:
        return False
    return worker_cores < IDLE_WORKERS * workers and wait < RECEIVING_S


def _wanted(load: float, compute: float, cores: int) -> int:
    """Workers that hide *load* behind *compute*, never more than *cores*."""
    if compute <= 0:
        return cores
    return min(cores, max(1, math.ceil(load / compute)))


def _gain(
    loader: Row, load: float, compute: float, step: float, workers: int, cores: int, used: float | None
) -> Interval:
    """What *workers* would save, between the ideal and the contended case."""
    cpu_low, cpu_high = (used * step, used * step) if used is not None else (0.0, step)
    best = max(compute, load / workers, cpu_low / cores) + HANDOVER_S[0]
    worst = max(compute, load / workers, cpu_high / cores) * SLACK + HANDOVER_S[1]
    worst += HANDOVER_OF_LOAD * load if loader["num_workers"] == 0 else 0.0
    length = loader.get("length") or 0
    if length > 0:
        worst += WORKER_START_S * workers / length
    return saved(step, (best, worst))


def _fix(workers: int) -> Fix:
    return Fix(name="loader-workers", parameters={"num_workers": workers, "persistent_workers": True})


def _how(workers: int, loader: Row) -> str:
    line = f"DataLoader(..., num_workers={workers}, persistent_workers=True)"
    if loader.get("iterable"):
        line += (
            "\n# an IterableDataset must split itself by torch.utils.data.get_worker_info(), or every worker repeats it"
        )
    return line


def _waits_at_starts(loader: Row, waits: Row | None, step: float) -> bool:
    """Whether the wait lies at the first batches after the workers were started."""
    if waits is None or loader.get("persistent_workers") or not waits.get("starts"):
        return False
    others = waits["batches"] - waits["starts"]
    if others <= 0:
        return False
    return bool((waits["seconds"] - waits["first_seconds"]) / others < MIN_SHARE * step)


def _persistent(evidence: Row, loader: Row, wait: float, step: float) -> Finding:
    evidence["where"] = "at the first batch of each epoch, while workers are started"
    return Finding(
        rule="input",
        cause="input",
        title="Keep the loader's workers between epochs",
        evidence=evidence,
        # The first batch still has to be made; what goes is starting the processes.
        saves=saved(step, (step - wait, step - MIN_GONE_WITH_STARTS * wait)),
        confidence="medium",
        fix=Fix(name="loader-workers", parameters={"persistent_workers": True}),
        how="DataLoader(..., persistent_workers=True), made once, outside the epochs' loop",
        links=[LINK],
    )


def _cheaper(evidence: Row, wait: float, step: float, workers: int, worker_cores: float | None) -> Finding:
    evidence["workers"] = "as many as cores: more would compete, not help"
    if worker_cores is not None:
        evidence["workers compute"] = f"{percent(worker_cores / workers)} of their time"
    is_waiting = worker_cores is not None and worker_cores < MIN_COMPUTING * workers
    return Finding(
        rule="input",
        cause="input",
        title="Make reading a batch cheaper" if is_waiting else "Make preparing a batch cheaper",
        evidence=evidence,
        saves=saved(step, (step - wait, step - CHEAPER_LOW * wait)),
        confidence="low",
        fix=None,
        how=HOW_STORAGE if is_waiting else HOW_DECODE,
        links=[LINK],
    )
