"""The step waits for its next batch.

Speaks when waiting for the DataLoader takes at least 5 % of the mean steady step and loading in (more)
worker processes would give back at least as much. Four cures, chosen by what the loader does today:

- *no workers*: batches are made in the training process. Worker processes make them while the model
  computes.
- *fewer workers than cores*, and the step still waits: more of them.
- *workers started anew in each epoch*, and half of the wait lies there: ``persistent_workers=True``.
- *as many workers as cores, or no core free for one*: more would only compete. What helps is cheaper loading: decode
  less, decode once and store the result, move work to the device, larger reads.

How the gain is told. With ``w`` workers a step takes ``max(compute, load / w, cpu / cores)``: the loader
hides behind the compute up to ``w`` times its own pace, and no number of workers makes the machine's cores
do more than they can (``cpu``: CPU seconds per step of the whole process tree, measured). While loading and computing
overlap, both take as many times as long as a core was measured to take beside busy ones on this machine (once where cores are
real, more where two are threads of one), if the model and the workers fill more than half of the cores. The high end is
that; the low end adds 15 % for contention and uneven batches where loading stays the limit (3 % where the model does
and a core is free), 7 % of the loading time for handing tensors over, and starting the workers in every epoch. It is not
the share of the phase: a loader that takes ten times as long as the model does not vanish behind two workers. Keeping
workers saves what starting and ending them takes, which is timed, and a third to all of the wait for first batches.
Cheaper loading is told for batches that take half to a third of their time, which is the person's to reach.

It is silent without a loader (batches made by hand are no loader's fault), for waits below 5 %, and so when there are
workers enough already; where workers outnumber busy cores, which the rule ``workers_surplus`` tells; for a gain that may
as well be none, as on one core that the process keeps busy, or for a small batch beside a fast step (receiving it from a
worker takes 0.1 to 0.3 ms, up to 2.6 on busy cores); and for waits below 3 ms beside workers that hardly compute, which
are the receiving itself. It never suggests more workers than the cores that the process may use, and cheaper loading
without workers only where the samples show the script's own code at it. An IterableDataset has to be split between
workers by its author, so there the change is described but never applied by perfkit.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

from ...model.records import Device, Finding, Fix, Interval
from ..sampled import is_named, place, steady
from ..what_if import ms, percent, phase_seconds, saved, step_seconds
from . import collate, workers_surplus

# XProf calls input moderate from 5 % of the step and high from 20 %; below 5 % there is nothing to win.
MIN_SHARE = 0.05
# Contention for caches and memory, and batches that are not all alike, where loading remains the limit.
SLACK = 1.15
# The same where the model is: with a core to spare for the workers, and without.
SLACK_OF_MODEL = {True: 1.03, False: 1.15}
# Receiving a batch from a worker, in s, and in proportion to what was loaded: set so that measured cases lie inside, one on
# an H100, and four on two cores (a public script with batches of 64 small pictures took 0.8 to 1.2 ms more than its model alone).
# Where there are workers already it is in the figures, but for what more of them disturb each other.
HANDOVER_S, HANDOVER_OF_MORE_S = (0.1e-3, 1.3e-3), (0.1e-3, 0.6e-3)
HANDOVER_OF_LOAD = 0.07
# Forking a worker of a process that has torch loaded, in s, where workers are started anew in each epoch:
# assumed.
WORKER_START_S = 0.03
# Workers started anew in each epoch are the trouble when this part of the wait lies around their starts.
MIN_AT_STARTS = 0.5
# Of the wait for first batches, what goes when the workers stay: all of it if it is starting up, some if it is making
# the batch.
FIRST_GONE = (1.0, 0.33)
# Cheaper loading: what a batch takes then, of what it takes now. A choice, told as such.
CHEAPER = (1 / 3, 1 / 2)
# Of the step, what the script's own loading code has to take before cheaper loading is advised without workers.
MIN_OWN_CODE = 0.20
# A gain of cheaper loading may be smaller by this part: the model computes while workers load, and slows them down.
SAFETY = 0.2
# Fewer starts than this say nothing of epochs.
FEWEST_STARTS = 2
LOADING = re.compile(r"^__(getitems?|iter|next)__$|collate|transform|decode|augment|load|read|parse")
# Workers that compute for less than this part of their time wait for something else: storage, network, locks.
MIN_COMPUTING = 0.5
# Receiving a small batch from a worker took 1.6 to 2.6 ms on two busy cores, with workers that computed for 2 to 3 %
# of their time (two public scripts). More workers, or faster storage, cannot shorten that.
RECEIVING_S, IDLE_WORKERS = 3e-3, 0.1
HOW_STORAGE = "the workers wait for storage: fewer and larger files, a local copy, a cache in memory"
HOW_DECODE = (
    "decode and resize once and store the result (in memory: perfkit tune --fix sample-cache SCRIPT tries it); "
    "or do the transforms on the device, on whole batches"
)
# Cheaper loading is not advised for a wait shorter than this, which is about what receiving a batch takes.
SHORT_WAIT_S = RECEIVING_S
# A gain whose low end is below this may be none: not worth a change.
MIN_LOW = 0.01
# With this part of the cores busy, ours and others together, the process may be waiting for a core.
CROWDED = 0.85
LINK = "https://pytorch.org/docs/stable/data.html#multi-process-data-loading"

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What the rule knows, in one hand."""

    breakdown: list[Row]
    loader: Row
    cores: int
    #: Cores' worth of computing, at least and at most.
    cpu_cores: tuple[float, float] | None
    waits: Row | None
    worker_cores: float | None
    own_code: list[Row]
    #: Whether batches go to a GPU from ordinary memory.
    pin: bool = False
    #: How many times as long work takes on a core beside busy ones, at least and at most.
    crowded: tuple[float, float] | None = None

    @property
    def step(self) -> float:
        """Mean steady step, in s."""
        return step_seconds(self.breakdown)

    @property
    def wait(self) -> float:
        """Waiting for data in it, in s."""
        return phase_seconds(self.breakdown, "data")


def check(
    breakdown: list[Row],
    loader: Row,
    cores: int,
    loader_waits: Row | None = None,
    cores_used: float | None = None,
    worker_cores: float | None = None,
    others_cores: float | None = None,
    hot_lines: list[Row] | None = None,
    gpu: Device | None = None,
    cpu_peaks: Row | None = None,
) -> Finding | None:
    """Judge the wait for batches."""
    if _is_surplus(breakdown, loader, cores, cores_used, others_cores, worker_cores):
        return None
    facts = _Facts(
        breakdown=breakdown,
        loader=loader,
        cores=cores,
        cpu_cores=_cpu_cores(cores, cores_used, others_cores),
        waits=loader_waits,
        worker_cores=worker_cores,
        own_code=_own_code(loader, hot_lines),
        pin=gpu is not None and gpu.kind == "cuda" and not loader.get("pin_memory"),
        crowded=_crowded(cpu_peaks),
    )
    said = _judge(facts, _evidence(facts, cores_used))
    # Where collate says what is slow, "prepare batches more cheaply" would say it again, and less.
    is_told = said is not None and said.fix is None and not loader.get("iterable")
    return None if is_told and collate.check(breakdown, loader, hot_lines or []) else said


def _is_surplus(
    breakdown: list[Row], loader: Row, cores: int, used: float | None, others: float | None, worker_cores: float | None
) -> bool:
    """Whether the rule workers_surplus speaks, whose cure comes before any other."""
    said = None if used is None else workers_surplus.check(breakdown, loader, cores, used, None, others, worker_cores)
    return said is not None


def _cpu_cores(cores: int, used: float | None, others: float | None) -> tuple[float, float] | None:
    """Cores' worth of computing that the process wants, at least and at most, as if all *cores* were its own.

    Beside others that take cores from it, it may have waited for one and not for its data; and what they take, its
    workers do not get.
    """
    if used is None or others is None:
        return None if used is None else (used, used)
    is_crowded = used + others > CROWDED * cores
    return used, (max(used, 1.0) if is_crowded else used) * cores / max(1.0, cores - others)


def _crowded(cpu_peaks: Row | None) -> tuple[float, float] | None:
    measured = (cpu_peaks or {}).get("crowded")
    return (min(measured.values()), max(measured.values())) if measured else None


def _own_code(loader: Row, hot_lines: list[Row] | None) -> list[Row]:
    """Lines of the script's own loading code, where batches are made, most first."""
    if loader.get("num_workers"):
        return steady(hot_lines, "loader worker")
    return [row for row in steady(hot_lines) if _is_loading(row)]


def _is_loading(row: Row) -> bool:
    """Whether batches are made there: mostly below the DataLoader, or, where the loop makes them by itself, by its name."""
    return row.get("loading_share", 0.0) > row["self_share"] / 2 or is_named(row["function"], LOADING)


def workers_wanted(breakdown: list[Row], loader: Row, cores: int, cores_used: float | None = None) -> int:
    """Loader workers that this rule would have, if it speaks of their number; else those there are."""
    workers = int(loader.get("num_workers") or 0)
    said = check(breakdown, loader, cores, cores_used=cores_used)
    if said is None or (said.fix is None and not loader.get("iterable")):
        return workers
    step, wait = step_seconds(breakdown), phase_seconds(breakdown, "data")
    return _wanted(wait if workers == 0 else workers * step, step - wait, cores)


def _judge(facts: _Facts, evidence: Row) -> Finding | None:
    step, wait, workers = facts.step, facts.wait, facts.loader.get("num_workers")
    if not step or wait / step < MIN_SHARE or workers is None:
        return None
    if workers and (gone := _at_starts(facts.loader, facts.waits, wait)):
        return _persistent(evidence, gone, step)
    if workers and _only_handed_over(facts, workers):
        return None
    if workers < facts.cores or not workers:
        said = _more_workers(facts, evidence)
        if said is not None or workers or sum(row["self_share"] for row in facts.own_code) < MIN_OWN_CODE:
            return said
    return None if not workers and wait < SHORT_WAIT_S else _cheaper(facts, evidence)


def _evidence(facts: _Facts, cores_used: float | None) -> Row:
    step, wait = facts.step, facts.wait
    found: Row = {
        "waiting for data": f"{ms(wait)} of the {ms(step)} step ({percent(wait / step if step else 0.0)})",
        "num_workers": facts.loader.get("num_workers"),
        "cores allowed": facts.cores,
    }
    if cores_used is not None:
        found["cores in use"] = round(cores_used, 1)
    if facts.own_code:
        found["loading at"] = ", ".join(place(row) for row in facts.own_code[:2])
    return found


def _more_workers(facts: _Facts, evidence: Row) -> Finding | None:
    workers, cores = facts.loader["num_workers"], facts.cores
    compute = facts.step - facts.wait
    # Without workers the wait is the loading; with them, workers that the step waits for are always busy.
    load = facts.wait if workers == 0 else workers * facts.step
    wanted = _wanted(load, compute, cores)
    if wanted <= workers:
        return None
    gain = _gain(facts, load, compute, wanted)
    if gain.high < MIN_SHARE or gain.low <= MIN_LOW:
        return None
    if wanted == cores and load / cores > compute:
        evidence["even then"] = "loading is the slower half, and would gain by being cheaper"
    first = workers == 0
    is_sure = first and facts.cpu_cores is not None and gain.low > MIN_SHARE
    return Finding(
        rule="input",
        cause="input",
        title=f"Load batches in {wanted} worker {'process' if wanted == 1 else 'processes'}"
        if first
        else f"Use {wanted} loader workers instead of {workers}",
        evidence=evidence,
        saves=gain,
        confidence="high" if is_sure else "medium",
        fix=None if facts.loader.get("iterable") else _fix(wanted, pin=facts.pin),
        how=_how(wanted, facts.loader, pin=facts.pin),
        links=[LINK],
        alternatives="loading",
    )


def _only_handed_over(facts: _Facts, workers: int) -> bool:
    """Whether the workers hardly compute and the wait is what it takes to receive a batch from another process.

    That takes the longer, the more of the cores others take.
    """
    if facts.worker_cores is None:
        return False
    least, most = facts.cpu_cores or (1.0, 1.0)
    slowed = most / least if least else 1.0
    return facts.worker_cores < IDLE_WORKERS * workers and facts.wait < RECEIVING_S * slowed


def _wanted(load: float, compute: float, cores: int) -> int:
    """Workers that hide *load* behind *compute*, never more than *cores*."""
    if compute <= 0:
        return cores
    return min(cores, max(1, math.ceil(load / compute)))


def _gain(facts: _Facts, load: float, compute: float, workers: int) -> Interval:
    """What *workers* would save, between the ideal and the contended case."""
    step, cores = facts.step, facts.cores
    cpu = [wanted * step / cores for wanted in facts.cpu_cores or (0.0, 1.0)]
    best, worst = (
        max(_side_by_side(compute, load / workers, busy, slower), wanted * slower)
        for busy, slower, wanted in zip(_computing(facts, load, compute), _slower(facts, workers), cpu, strict=True)
    )
    # Which of the two will be the slower is not sure where they are nearly equal: then each has its own slack.
    limit = max(load / workers, cpu[1])
    worst = worst * SLACK if limit > compute else max(worst * _slack_of_model(facts), limit * SLACK)
    received = HANDOVER_OF_MORE_S if facts.loader["num_workers"] else HANDOVER_S
    best, worst = best + received[0], worst + received[1]
    worst += HANDOVER_OF_LOAD * load if facts.loader["num_workers"] == 0 else 0.0
    length = facts.loader.get("length") or 0
    if length > 0:
        worst += WORKER_START_S * workers / length
    return saved(step, (best, worst))


def _slack_of_model(facts: _Facts) -> float:
    """What the model loses beside workers, in the contended case, that was not measured."""
    return SLACK_OF_MODEL[facts.cpu_cores is not None and facts.cpu_cores[1] + 1 <= facts.cores]


def _slower(facts: _Facts, workers: int) -> tuple[float, float]:
    """How many times as long work takes beside *workers*, at best and at worst. As long as half of the cores are free the system
    gives each process a real core; and workers that are there already are in the figures.
    """
    is_roomy = workers + 1 <= facts.cores / 2 or facts.loader["num_workers"] > 0
    return (1.0, 1.0) if facts.crowded is None or is_roomy else facts.crowded


def _computing(facts: _Facts, load: float, compute: float) -> tuple[float, float]:
    """Which part of the loading computes, at least and at most; the rest waits for storage."""
    if facts.cpu_cores is None or not load:
        return 0.0, 1.0
    least, most = (min(1.0, max(0.0, wanted * facts.step - compute) / load) for wanted in facts.cpu_cores)
    return least, most


def _side_by_side(compute: float, load: float, busy: float, slower: float) -> float:
    """Seconds for both at once, when they slow each other down for as long as both compute."""
    return max(compute, load) + busy * min(compute, load) * (slower - 1)


def _fix(workers: int, *, pin: bool) -> Fix:
    pinned = {"pin_memory": True} if pin else {}
    return Fix(name="loader-workers", parameters={"num_workers": workers, "persistent_workers": True, **pinned})


def _how(workers: int, loader: Row, *, pin: bool) -> str:
    """The lines to write. On a GPU pinned memory comes on top (measured: 67.0 to 53.6 ms a step beside 14 workers)."""
    pinned = ", pin_memory=True" if pin else ""
    line = f"DataLoader(..., num_workers={workers}, persistent_workers=True{pinned})"
    line += "\nbatch = batch.to(device, non_blocking=True)" if pin else ""
    if loader.get("iterable"):
        line += (
            "\n# an IterableDataset must split itself by torch.utils.data.get_worker_info(), or every worker repeats it"
        )
    return line


def _at_starts(loader: Row, waits: Row | None, wait: float) -> tuple[float, float] | None:
    """Seconds per step, at most and at least, that workers kept between epochs save, if most of *wait* is due to them."""
    if waits is None or loader.get("persistent_workers") or waits["starts"] < FEWEST_STARTS or not waits["batches"]:
        return None
    bare, first = waits.get("start_seconds", 0.0) + waits.get("end_seconds", 0.0), waits["first_seconds"]
    if (bare + first) / waits["batches"] < MIN_AT_STARTS * wait:
        return None
    most, least = (min(wait, (bare + part * first) / waits["batches"]) for part in FIRST_GONE)
    return most, least


def _persistent(evidence: Row, gone: tuple[float, float], step: float) -> Finding:
    evidence["where"] = "at the first batch of each epoch, while workers are started"
    return Finding(
        rule="input",
        cause="input",
        title="Keep the loader's workers between epochs",
        evidence=evidence,
        saves=saved(step, [step - seconds for seconds in gone]),
        confidence="medium",
        fix=Fix(name="loader-workers", parameters={"persistent_workers": True}),
        how="DataLoader(..., persistent_workers=True), made once, outside the epochs' loop",
        links=[LINK],
        alternatives="loading",
    )


def _cheaper(facts: _Facts, evidence: Row) -> Finding:
    step, wait, workers, worker_cores = facts.step, facts.wait, facts.loader["num_workers"], facts.worker_cores
    evidence["workers"] = "as many as cores: more would compete, not help" if workers else "no core is free for one"
    if worker_cores is not None and workers:
        evidence["workers compute"] = f"{percent(worker_cores / workers)} of their time"
    is_waiting = workers > 0 and worker_cores is not None and worker_cores < MIN_COMPUTING * workers
    # Without workers the wait is the loading; with them, workers that the step waits for set its pace.
    after = [step - wait * (1 - part) if not workers else max(step - wait, step * part) for part in CHEAPER]
    return Finding(
        rule="input",
        cause="input",
        title="Make reading a batch cheaper" if is_waiting else "Make preparing a batch cheaper",
        evidence=evidence,
        saves=saved(step, (after[0], after[1] + SAFETY * (step - after[1]))),
        confidence="low",
        fix=None,
        how=HOW_STORAGE if is_waiting else HOW_DECODE,
        links=[LINK],
        alternatives="loading",
    )
