"""The four scenarios of MLPerf Inference: when queries are sent, and what their latency is counted from.

*single-stream*: one sample, the next when it is answered. *multi-stream*: several samples in a query, the next when it is answered. *server*: one
sample, at random times (Poisson) whether or not the ones before are answered; latency counts from the time at which a query was *due*, so that one slow
answer shows in all that wait behind it (no coordinated omission). *offline*: all samples at once. Source: Reddi et al., MLPerf Inference Benchmark,
ISCA 2020, and the rules at github.com/mlcommons/inference_policies.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Asleep until so long before a query is due; the rest is waited for awake.
AWAKE_S = 200e-6
MOST_QUERIES = 5_000_000
#: Sizes of multi-stream queries as MLPerf has them.
SAMPLES_PER_QUERY = 8

Ask = Callable[[int], Any]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """Queries of one scenario, in the order in which they were due."""

    scenario: str
    samples_per_query: int
    #: Shape (queries,), seconds.
    latencies_s: NDArray[np.float64]
    #: From the first query's due time to the last answer.
    seconds: float
    #: Queries that were due per second; None where answers set the pace.
    offered_per_s: float | None = None
    workers: int = 1

    @property
    def samples_per_s(self) -> float:
        """Throughput."""
        return len(self.latencies_s) * self.samples_per_query / self.seconds


def one_after_another(ask: Ask, *, samples: int, seconds: float, least: int, scenario: str) -> Measured:
    """single-stream (*samples* 1) and multi-stream: until *seconds* have passed and *least* queries were made."""
    clock = time.perf_counter
    latencies: list[float] = []
    begun = now = clock()
    while (now - begun < seconds or len(latencies) < least) and len(latencies) < MOST_QUERIES:
        ask(samples)
        before, now = now, clock()
        latencies.append(now - before)
    return Measured(scenario=scenario, samples_per_query=samples, latencies_s=np.array(latencies), seconds=now - begun)


def offline(ask: Ask, *, samples: int, batch: int) -> Measured:
    """All *samples* at once, worked off in batches; each batch's latency counts from the start, when all were there."""
    clock, latencies = time.perf_counter, []
    begun = clock()
    for first in range(0, samples, batch):
        ask(min(batch, samples - first))
        latencies.append(clock() - begun)
    return Measured(scenario="offline", samples_per_query=batch, latencies_s=np.array(latencies), seconds=latencies[-1])


def due_times(per_s: float, seconds: float, least: int, seed: int) -> NDArray[np.float64]:
    """When queries of a Poisson process are due, in s from the start: at least *least*, and for *seconds*."""
    rng = np.random.default_rng(seed)
    count = min(MOST_QUERIES, max(least, int(per_s * seconds) + 1))
    due = np.cumsum(rng.exponential(1 / per_s, count))
    return due[: max(least, int(np.searchsorted(due, seconds)))]


def server(ask: Ask, *, per_s: float, seconds: float, least: int, workers: int = 1, seed: int = 0) -> Measured:
    """Queries at Poisson times, answered first come, first served by *workers* threads."""
    due = due_times(per_s, seconds, least, seed)
    latencies = np.zeros(due.size)
    answered = _in_threads(ask, due, latencies, workers)
    return Measured(
        scenario="server",
        samples_per_query=1,
        latencies_s=latencies,
        seconds=answered,
        offered_per_s=per_s,
        workers=workers,
    )


def at_once(ask: Ask, *, workers: int, samples: int, seconds: float) -> Measured:
    """*workers* clients, each sending its next query when its last is answered (a closed loop)."""
    taken: list[list[float]] = [[] for _ in range(workers)]
    start = threading.Barrier(workers + 1)
    ends = [0.0] * workers

    def client(number: int) -> None:
        own, clock = taken[number], time.perf_counter
        start.wait()
        begun = now = clock()
        while now - begun < seconds:
            ask(samples)
            before, now = now, clock()
            own.append(now - before)
        ends[number] = now

    begun = _run(client, workers, start)
    return Measured(
        scenario="concurrency", samples_per_query=samples, latencies_s=np.concatenate([np.array(own) for own in taken]),
        seconds=max(ends) - begun, workers=workers,
    )  # fmt: skip


def _in_threads(ask: Ask, due: NDArray[np.float64], latencies: NDArray[np.float64], workers: int) -> float:
    """Answer each query when it is due and a worker is free; returns how long it took."""
    lock, following, ends = threading.Lock(), iter(range(due.size)), [0.0] * workers
    start = threading.Barrier(workers + 1)
    origin: list[float] = []

    def worker(number: int) -> None:
        clock = time.perf_counter
        start.wait()
        while True:
            with lock:
                if not origin:
                    origin.append(clock())
                query = next(following, None)
            if query is None:
                return
            at = origin[0] + float(due[query])
            if (early := at - clock()) > AWAKE_S:
                time.sleep(early - AWAKE_S)
            while clock() < at:
                pass
            ask(1)
            ends[number] = clock()
            latencies[query] = ends[number] - at

    _run(worker, workers, start)
    return max(ends) - origin[0] - float(due[0])


def _run(work: Callable[[int], None], workers: int, start: threading.Barrier) -> float:
    """Run it in threads; an error in one of them is raised here. Returns when they began."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(number,), daemon=True) for number in range(workers)]
    for thread in threads:
        thread.start()
    start.wait()
    begun = time.perf_counter()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]
    return begun
