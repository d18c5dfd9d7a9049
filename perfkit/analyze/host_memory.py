"""The largest amount of host memory that the process tree held at once, shared pages counted once."""

from __future__ import annotations

from typing import Any

from ..runs import layout
from ..runs.reader import Run


def host_memory(run: Run) -> dict[str, Any]:
    """``{"host_peak_bytes", "host_rss_peak_bytes", "processes", "how"}``; null with the reason in ``reason``.

    * One process: the kernel's own high-water mark (VmHWM, or the account it gave at the end).
    * Several: the highest proportional set size seen. Where the summed resident sets peaked between two such
      readings, the shared part of the nearest reading is taken off that peak. A spike of the largest
      process that was shorter than a sample still shows in its high-water mark and is added.
    """
    lines = run.jsonl(layout.HOST_SAMPLES)
    samples = [line for line in lines if "rss" in line]
    ends = [int(line["max_rss"]) for line in lines if line.get("end") and line.get("max_rss")]
    if not samples:
        return {"host_peak_bytes": ends[-1] if ends else None, "reason": None if ends else _why(run)}
    processes = max(int(line["n"]) for line in samples)
    marks = _high_water(samples)
    largest = max([*marks.values(), *ends], default=0)
    rss_peak = max(int(line["rss"]) for line in samples)
    if processes == 1:
        peak, how = max(largest, rss_peak), "high-water mark of the only process"
    else:
        peak, how = max(largest, _shared_once(samples) + _missed_spike(samples, marks)), _HOW_MANY
    return {"host_peak_bytes": peak, "host_rss_peak_bytes": rss_peak, "processes": processes, "how": how}


_HOW_MANY = "proportional set size of the process tree, sampled; high-water mark of its largest process"


def _shared_once(samples: list[dict[str, Any]]) -> int:
    """Peak of the summed resident sets less what is shared, by the nearest reading before it (or the
    first).
    """
    readings = [line for line in samples if "pss" in line]
    if not readings:
        return max(int(line["rss"]) for line in samples)
    peak = 0
    shared = _shared(readings[0])
    for line in samples:
        if "pss" in line:
            shared = _shared(line)
            peak = max(peak, int(line["pss"]))
        elif int(line["n"]) == 1:
            peak = max(peak, int(line["rss"]))
        else:
            peak = max(peak, int(line["rss"]) - shared)
    return peak


def _shared(line: dict[str, Any]) -> int:
    return max(0, int(line["rss"]) - int(line["pss"]))


def _high_water(samples: list[dict[str, Any]]) -> dict[int, int]:
    """Pid → largest resident set it has had, by the kernel's own account."""
    marks: dict[int, int] = {}
    for line in samples:
        for pid, _role, _cpu, _rss, high in line.get("p", ()):
            marks[pid] = max(marks.get(pid, 0), int(high))
    return marks


def _missed_spike(samples: list[dict[str, Any]], marks: dict[int, int]) -> int:
    """By how much the largest process once exceeded everything that was sampled of it.

    By its own high-water mark only: the account given at the end is the largest of the process and of all the children that
    it waited for, and a forked worker's resident set counts what it shares with its parent.
    """
    if not marks:
        return 0
    pid = max(marks, key=lambda each: marks[each])
    seen = [int(rss) for line in samples for each, _role, _cpu, rss, _high in line.get("p", ()) if each == pid]
    alone = [int(line["rss"]) for line in samples if int(line["n"]) == 1]
    sampled = max([*seen, *alone], default=0)
    return max(0, marks[pid] - sampled)


def _why(run: Run) -> str:
    for collector in run.info.collectors:
        if collector.name == "host" and collector.state != "on":
            return f"the host sampler was {collector.state}: {collector.reason}"
    return "no host samples were recorded"
