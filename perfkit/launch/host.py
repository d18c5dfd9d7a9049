"""The host sampler: CPU, memory and I/O of the process tree, and the machine around it, from outside.

Lines of ``host.jsonl``, one per sample: 10 per second, fewer in long runs and where a sample costs more than
1 % of a core. Counters only grow. Every line has

    t      CLOCK_MONOTONIC in ns
    n      processes
    cpu    CPU time of the tree in ns, finished children included
    rss    bytes, summed over the processes
    busy, total   CPU time of the whole machine's processors in ns

about once a second also

    p      [[pid, role, cpu_ns, rss, peak_rss], …]
    rd, wr bytes from and to storage
    load   1-minute load average
    joules of the processor packages since the sampler began, where RAPL can be read

with several processes, about once a second and whenever rss passes its last maximum by 2 %, also

    pss    bytes of the tree, shared pages counted once

and the last line is ``{"t", "end": true, "max_rss": bytes of the largest process by the kernel's account,
"cpu"}``.

Forked loader workers share most of their pages with their parent: summing resident sets would count those
pages once per worker, hence the proportional set size (Pss of /proc/PID/smaps_rollup).
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

from ..errors import CollectorError
from ..hardware.rapl import Rapl
from ..model.records import Collector
from ..runs import layout
from . import procfs
from .child import Ended
from .sampler import OWN_SHARE, Sampler
from .tree import Tree

SLOW_EVERY_S = 1.0
# A new maximum of the summed resident sets by this factor asks for an exact figure at once.
PEAK_FACTOR = 1.02
# What exact figures may cost, as a part of one core, while memory is growing to its peak.
GROWING_SHARE = 0.05


class HostSampler(Sampler):
    """Samples the tree under *pid* into host.jsonl of *run*."""

    name = "host"

    def __init__(self, run: Path, pid: int) -> None:
        super().__init__(run / layout.HOST_SAMPLES)
        self._tree = Tree(pid)
        self._pss = _Pss()
        self._slow_at = 0.0
        self._last_cpu_ns = 0
        self._ended: Ended | None = None
        self._rapl: Rapl | None = None
        self._no_rapl = ""
        self._floor_bytes = procfs.read_peak_rss_bytes(os.getpid()) or 0 if sys.platform == "linux" else 0

    def ended(self, ended: Ended) -> None:
        """Tell what the kernel said about the process when it ended."""
        self._ended = ended

    def open(self) -> None:
        """Only Linux has /proc."""
        if sys.platform != "linux":
            raise CollectorError(f"the host sampler reads /proc, which {sys.platform} does not have")
        try:
            self._rapl = Rapl()
        except CollectorError as error:
            self._no_rapl = str(error)

    def rapl(self) -> Collector:
        """What became of the processor's energy counter, once stopped."""
        if self._no_rapl or self._rapl is None:
            return Collector(name="rapl", state="off", reason=self._no_rapl or "the host sampler did not run")
        return Collector(name="rapl", state="on", reason="energy counters of the processor packages (powercap)")

    def how(self) -> str:
        """For the report."""
        return "/proc of the process tree from outside"

    def sample(self) -> dict[str, Any] | None:
        """One line; None once every process of the tree has ended."""
        stats = self._tree.read()
        if not stats:
            return None
        self._last_cpu_ns = max(self._last_cpu_ns, sum(s.cpu_ns + s.reaped_cpu_ns for s in stats))
        busy, total = procfs.machine_cpu_ns()
        rss = sum(s.rss_bytes for s in stats)
        line = {"n": len(stats), "cpu": self._last_cpu_ns, "rss": rss, "busy": busy, "total": total}
        pss = self._pss.read(stats, rss)
        self._rationed_s = self._pss.cost_s
        if pss is not None:
            line["pss"] = pss
        if time.monotonic() >= self._slow_at:
            self._slow_at = time.monotonic() + SLOW_EVERY_S
            line |= self._slow(stats)
        return line

    def close(self) -> dict[str, Any] | None:
        """What the kernel counted, exactly, once the process has ended."""
        if self._ended is None:
            return None
        cpu_ns = max(self._last_cpu_ns, self._ended.cpu_ns)
        # The kernel's figure starts with the launcher's own size, kept over the exec: no larger, it says
        # nothing.
        known = self._ended.max_rss_bytes if self._ended.max_rss_bytes > 1.1 * self._floor_bytes else 0
        return {"end": True, "max_rss": known, "cpu": cpu_ns}

    def _slow(self, stats: list[procfs.Stat]) -> dict[str, Any]:
        roles = self._tree.roles
        each = [
            [
                s.pid,
                roles.get(s.pid, "other"),
                s.cpu_ns,
                s.rss_bytes,
                procfs.read_peak_rss_bytes(s.pid) or s.rss_bytes,
            ]
            for s in stats
        ]
        storage = [io for s in stats if (io := procfs.read_io(s.pid))]
        line: dict[str, Any] = {"p": each, "load": os.getloadavg()[0]}
        if self._rapl is not None:
            line["joules"] = self._rapl.joules()
        if storage:
            line |= {"rd": sum(read for read, _ in storage), "wr": sum(written for _, written in storage)}
        return line


class _Pss:
    """Decides when the exact figure is worth its cost: it walks every page table of the tree."""

    def __init__(self) -> None:
        self._next = 0.0
        self._earliest = 0.0
        self._highest_rss = 0
        self.cost_s = 0.0

    def read(self, stats: list[procfs.Stat], rss: int) -> int | None:
        now, self.cost_s = time.monotonic(), 0.0
        higher = rss > PEAK_FACTOR * self._highest_rss
        if len(stats) < 2 or not (now >= self._next or (higher and now >= self._earliest)):
            return None
        before = time.thread_time()
        figures = [procfs.read_pss_bytes(s.pid) for s in stats]
        self.cost_s = time.thread_time() - before
        self._earliest = now + self.cost_s / GROWING_SHARE
        known = [figure for figure in figures if figure is not None]
        if len(known) < len(figures) or not all(_holds_memory(s.pid) for s in stats):
            return None  # one of them ended meanwhile: read again with the next sample
        self._highest_rss = max(self._highest_rss, rss)
        self._next = now + max(SLOW_EVERY_S, self.cost_s / OWN_SHARE)
        return sum(known)


def _holds_memory(pid: int) -> bool:
    """Whether a process has not begun to exit. One that did so between two readings gave its part of the shared pages to
    the others, in whose figures they would be counted again.
    """
    stat = procfs.read_stat(pid)
    return stat is not None and stat.rss_bytes > 0
