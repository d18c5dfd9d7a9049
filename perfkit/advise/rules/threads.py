"""The framework computes with too few threads, or with more than there are cores.

Only for models that compute on the CPU; on a GPU the host's threads are not the step's pace.

- *Too few*: free cores beside one (or a few) compute threads, and operators large enough to share. Operators of
  less than 20 µs are not split up, or lose by it.
- *Too many*: the threads of all ranks and their loaders' workers exceed the cores they may use, as in a
  container whose quota is smaller than the machine, or with several ranks that each take all cores. Every operator that
  is split up then has to wake more threads than can run, and waits for the last of them.

It never suggests more threads than the cores that the process may use less those its loader workers keep
busy, or those that the input rule would give to workers: a core is promised once. And it stays silent when
other processes keep the machine busy: with one busy neighbour two threads made the same script 9 to 24
times slower than one (measured on two cores).

How the gain is told. Too few: Amdahl's law, by the size of the operators. Of the time in those of 100 µs or more 75 to
100 % runs in parallel, of those of 20 to 100 µs 40 to 90 % (measured on two cores: matrix products, convolutions,
normalisation, reductions and elementwise operators of many sizes took 0.45 to 0.65 and 0.55 to 0.8 of their time on two
threads). Too many: each operator that is split up saves 3 to 12 µs for every thread (8 at least on a single core, where waking
one means leaving another), large ones 10 to 30 % of the rest of their time (measured with 16 threads on two cores, in CPU time against one thread: products and forward convolutions 18
to 41 %, small operators up to 89 %; a recurrent layer is one operator that splits up anew at each time step, and saves 70 to 97 %);
and a backward pass that takes more than four times as long as the forward pass, because its threads spin while they
wait for each other, all that it takes beyond one to four times what is left of the forward pass. Without a trace only a
quarter to three quarters of the surplus (1 - cores/threads) of the compute time can be told.

It is silent when threads and cores agree, and for a gain below 5 %.
"""

from __future__ import annotations

import math
import re
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import COMPUTE_PHASES, is_on_cpu
from ..what_if import ms, percent, phase_seconds, saved, step_seconds
from .input import workers_wanted

# Operators by the time of a call on one thread, the largest first: from this size on, at least and at most so much of
# it runs in parallel. Measured on two cores with torch 2.13; below 20 µs nothing was gained.
PARALLEL = ((100e-6, (0.75, 1.00)), (20e-6, (0.40, 0.90)))
MIN_COMPUTE_SHARE = 0.30
MIN_SAVES = 0.05
# Of the machine's cores, as much as others may keep busy before more threads become a risk.
MAX_OTHERS_SHARE = 0.15
OVERSUBSCRIBED = 1.5
# Waking one thread too many for one operator. Measured for 4 to 16 threads on two cores: 5 to 10 µs, in CPU time 5.5 to
# 10, which two cores share; for 2 to 8 threads on one core 9 to 12 µs (linear layers and softmax of 32 to 2048 rows).
WAKE_S, WAKE_ON_ONE_CORE_S = (10e-6, 3e-6), (12e-6, 8e-6)
# An operator that is split up among too many threads takes at least this for each of them.
SPLIT_S = 3e-6
# What large operators lose beside.
UNEVEN = (0.30, 0.10)
# What operators lose that split up anew for each time step. Measured on one core, an LSTM over 28 steps: with 8 threads 76 % of
# the forward and 93 % of the backward layer, with 16 threads 87 and 97 %.
RECURRENT, OF_RECURRENT = re.compile(r"_(rnn|lstm|gru)(_|$)"), (0.97, 0.70)
# The backward pass in units of the forward pass: usually 1 to 4. Beyond that its threads, which belong to another thread
# than the forward pass's, spin while they wait for each other. (Measured: 13 times in a small GPT with 8 threads on one
# core, 61 times in a small convolution network with 16 on two.)
BACKWARD_OF_FORWARD = (1.0, 4.0)
# Without a trace: of the surplus.
OF_SURPLUS = (0.75, 0.25)
LINK = "https://pytorch.org/docs/stable/notes/cpu_threading_torchscript_inference.html"

Row = dict[str, Any]


def check(
    torch: Row,
    cores: int,
    breakdown: list[Row],
    model: Row,
    host_operators: list[Row] | None = None,
    loader: Row | None = None,
    rank_count: int = 1,
    cores_used: float | None = None,
    others_cores: float | None = None,
) -> Finding | None:
    """Judge the number of compute threads."""
    threads = torch.get("num_threads")
    step, compute = step_seconds(breakdown), phase_seconds(breakdown, *COMPUTE_PHASES)
    if not threads or not step or compute / step < MIN_COMPUTE_SHARE or not is_on_cpu(model):
        return None
    workers = (loader or {}).get("num_workers") or 0
    if threads >= OVERSUBSCRIBED * cores:
        return _too_many(threads, cores, rank_count or 1, step, breakdown, host_operators)
    if host_operators is None or _is_crowded(others_cores, cores, rank_count or 1):
        return None
    spare = cores - max(_busy_workers(workers, cores_used, threads), _new_workers(breakdown, loader, cores, cores_used))
    return _too_few(threads, spare, cores, step, host_operators, cores_used)


def _is_crowded(others_cores: float | None, cores: int, ranks: int) -> bool:
    return others_cores is not None and others_cores > MAX_OTHERS_SHARE * cores * ranks


def _busy_workers(workers: int, cores_used: float | None, threads: int) -> int:
    """Cores that loader workers keep busy, rounded up; each one if it is not known."""
    if not workers:
        return 0
    if cores_used is None:
        return workers
    return min(workers, math.ceil(max(0.0, cores_used - threads)))


def _new_workers(breakdown: list[Row], loader: Row | None, cores: int, cores_used: float | None) -> int:
    """Cores for loader workers that the input rule asks for: not to be promised twice."""
    if not loader:
        return 0
    wanted = workers_wanted(breakdown, loader, cores, cores_used)
    return wanted if wanted > (loader.get("num_workers") or 0) else 0


def _too_few(
    threads: int, spare: int, cores: int, step: float, operators: list[Row], cores_used: float | None
) -> Finding | None:
    shared = [(row["seconds_per_step"], part) for row in operators if (part := _parallel(row))]
    scale = min(1.0, step / sum(seconds for seconds, _ in shared)) if shared else 0.0
    if spare <= threads:
        return None
    gone = [sum(seconds * part[end] for seconds, part in shared) * scale * (1 - threads / spare) for end in (0, 1)]
    gain = saved(step, [step - seconds for seconds in gone])
    if gain.low < MIN_SAVES:
        return None
    coarse = scale * sum(seconds for seconds, _ in shared) / step
    evidence: Row = {
        "compute threads": threads,
        "cores allowed": cores,
        "operators worth sharing": f"{percent(coarse)} of the {ms(step)} step",
    }
    if cores_used is not None:
        evidence["cores in use"] = round(cores_used, 1)
    return Finding(
        rule="threads",
        cause="threads",
        title=f"Compute with {spare} threads instead of {threads}",
        evidence=evidence,
        saves=gain,
        confidence="medium",
        fix=Fix(name="threads", parameters={"num_threads": spare}),
        how=f"torch.set_num_threads({spare})   # or OMP_NUM_THREADS={spare}, which may be set to {threads} now",
        links=[LINK],
    )


def _parallel(row: Row) -> tuple[float, float] | None:
    """What part of an operator's time runs in parallel, at least and at most; None for what is not split up."""
    calls = row.get("calls_per_step") or 0
    if row.get("kind") != "operator" or not calls:
        return None
    return next((part for size, part in PARALLEL if row["seconds_per_step"] / calls >= size), None)


def _too_many(
    threads: int, cores: int, ranks: int, step: float, breakdown: list[Row], operators: list[Row] | None
) -> Finding | None:
    gain = _without_surplus(threads, cores, step, breakdown, operators)
    if gain.high < MIN_SAVES:
        return None
    each = " for each rank" if ranks > 1 else ""
    return Finding(
        rule="threads",
        cause="threads",
        title=f"Compute with {cores} {'thread' if cores == 1 else 'threads'} instead of {threads}",
        evidence={"compute threads": f"{threads}{each}", "cores allowed": f"{cores}{each}", "ranks": ranks},
        saves=gain,
        confidence="medium" if operators else "low",
        fix=Fix(name="threads", parameters={"num_threads": cores}),
        how=f"OMP_NUM_THREADS={cores} in the environment, or torch.set_num_threads({cores})",
        links=[LINK],
    )


def _without_surplus(
    threads: int, cores: int, step: float, breakdown: list[Row], operators: list[Row] | None
) -> Interval:
    """What as many threads as cores would save."""
    compute = phase_seconds(breakdown, *COMPUTE_PHASES)
    if not operators:
        surplus = (1 - cores / threads) * compute
        return saved(step, [step - surplus * part for part in OF_SURPLUS])
    gone = []
    for end, wake_s in enumerate(WAKE_ON_ONE_CORE_S if cores == 1 else WAKE_S):
        part = _surplus_share(operators, threads, wake_s, end)
        spinning = _spun(breakdown, 1 - part, BACKWARD_OF_FORWARD[end])
        gone.append(spinning + part * (compute - spinning))
    return saved(step, [step - seconds for seconds in gone])


def _surplus_share(operators: list[Row], threads: int, wake_s: float, end: int) -> float:
    """Of the operators' time, what goes into waking too many *threads*, *wake_s* each, and into awaiting the last; *end*: 0 for
    the most, 1 for the least.
    """
    whole = sum(row["seconds_per_step"] for row in operators)
    return min(1.0, sum(_surplus(row, threads, wake_s, end) for row in operators) / whole) if whole else 0.0


def _surplus(row: Row, threads: int, wake_s: float, end: int) -> float:
    calls, seconds = row.get("calls_per_step") or 0, row["seconds_per_step"]
    if row.get("kind") != "operator" or not calls or seconds / calls < SPLIT_S * threads:
        return 0.0
    if RECURRENT.search(row["name"]):
        return float(OF_RECURRENT[end] * seconds)
    waking = min(seconds, calls * threads * wake_s)
    return float(waking + UNEVEN[end] * (seconds - waking))


def _spun(breakdown: list[Row], left: float, times: float) -> float:
    """Seconds of the backward pass beyond *times* what is *left* of the forward pass; 0 where it takes no longer than usual."""
    forward, backward = phase_seconds(breakdown, "forward"), phase_seconds(breakdown, "backward")
    if not forward or backward <= BACKWARD_OF_FORWARD[1] * forward:
        return 0.0
    return max(0.0, backward - times * left * forward)
