"""The framework computes with too few threads, or with more than there are cores.

Only for models that compute on the CPU; on a GPU the host's threads are not the step's pace.

- *Too few*: free cores beside one (or a few) compute threads, and operators large enough to share. Speaks
  when at least 20 % of the step is in operators of 0.2 ms or more each: smaller ones are not split up, or
  lose by it.
- *Too many*: the threads of all ranks and their loaders' workers exceed the cores they may use, as in a
  container whose quota is smaller than the machine, or with several ranks that each take all cores. Threads
  that wait for each other spin, so one that does not get its core holds up all the others.

It never suggests more threads than the cores that the process may use less those its loader workers keep
busy, or those that the input rule would give to workers: a core is promised once. And it stays silent when
other processes keep the machine busy: with one busy neighbour two threads made the same script 9 to 24
times slower than one (measured on two cores).

How the gain is told. Too few: Amdahl's law over the time in operators large enough to share, of which
between 50 % (they wait for memory) and 95 % (they compute) runs in parallel. Too many: at most what the
surplus of threads costs when each waits its turn (1 - cores/threads of the compute time), at least a tenth
of that.

It is silent when threads and cores agree. Its intervals are reasoned, not measured, so its confidence is
low.
"""

from __future__ import annotations

import math
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..what_if import ms, percent, phase_seconds, saved, step_seconds
from .input import workers_wanted

COMPUTE_PHASES = ("forward", "backward", "optimizer")
# Operators shorter than this are taken not to be worth splitting: torch's grain is 32768 elements, and
# waking threads costs. This and the shares below are assumptions: no case has been measured for this rule
# yet.
COARSE_CALL_S = 200e-6
MIN_COARSE_SHARE = 0.20
MIN_COMPUTE_SHARE = 0.30
PARALLEL = (0.50, 0.95)
MIN_SAVES = 0.05
# Of the machine's cores, as much as others may keep busy before more threads become a risk.
MAX_OTHERS_SHARE = 0.15
OVERSUBSCRIBED = 1.5
LEAST_OF_SURPLUS = 0.1
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
    if not threads or not step or compute / step < MIN_COMPUTE_SHARE or not _is_on_cpu(model):
        return None
    workers = (loader or {}).get("num_workers") or 0
    if threads >= OVERSUBSCRIBED * cores:
        return _too_many(threads, cores, rank_count or 1, step, compute)
    if host_operators is None or _is_crowded(others_cores, cores, rank_count or 1):
        return None
    spare = cores - max(_busy_workers(workers, cores_used, threads), _new_workers(breakdown, loader, cores, cores_used))
    return _too_few(threads, spare, cores, step, host_operators, cores_used)


def _is_on_cpu(model: Row) -> bool:
    devices = model.get("devices") or {}
    return bool(devices) and all(str(name).startswith("cpu") for name in devices)


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
    coarse = min(1.0, sum(row["seconds_per_step"] for row in operators if _is_coarse(row)) / step)
    if spare <= threads or coarse < MIN_COARSE_SHARE:
        return None
    after = [step * (1 - coarse * part * (1 - threads / spare)) for part in PARALLEL]
    gain = saved(step, after)
    if gain.low < MIN_SAVES:
        return None
    evidence: Row = {
        "compute threads": threads,
        "cores allowed": cores,
        "large operators": f"{percent(coarse)} of the {ms(step)} step",
    }
    if cores_used is not None:
        evidence["cores in use"] = round(cores_used, 1)
    return Finding(
        rule="threads",
        cause="threads",
        title=f"Compute with {spare} threads instead of {threads}",
        evidence=evidence,
        saves=gain,
        confidence="low",
        fix=Fix(name="threads", parameters={"num_threads": spare}),
        how=f"torch.set_num_threads({spare})   # or OMP_NUM_THREADS={spare}, which may be set to {threads} now",
        links=[LINK],
    )


def _is_coarse(row: Row) -> bool:
    calls = row.get("calls_per_step") or 0
    return bool(row.get("kind") == "operator" and calls and row["seconds_per_step"] / calls >= COARSE_CALL_S)


def _too_many(threads: int, cores: int, ranks: int, step: float, compute: float) -> Finding | None:
    surplus = (1 - cores / threads) * compute / step
    if surplus < MIN_SAVES:
        return None
    each = " for each rank" if ranks > 1 else ""
    return Finding(
        rule="threads",
        cause="threads",
        title=f"Compute with {cores} {'thread' if cores == 1 else 'threads'} instead of {threads}",
        evidence={"compute threads": f"{threads}{each}", "cores allowed": f"{cores}{each}", "ranks": ranks},
        saves=Interval(low=LEAST_OF_SURPLUS * surplus, high=surplus),
        confidence="low",
        fix=Fix(name="threads", parameters={"num_threads": cores}),
        how=f"OMP_NUM_THREADS={cores} in the environment, or torch.set_num_threads({cores})",
        links=[LINK],
    )
