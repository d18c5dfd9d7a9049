"""The largest amount of host memory that the process tree held at once, shared pages counted once."""

from __future__ import annotations

from typing import Any

from ..runs import layout
from ..runs.reader import Run


def host_memory(run: Run) -> dict[str, Any]:
    """``{"host_peak_bytes", "host_rss_peak_bytes", "processes", "how"}``; null with the reason in ``reason``.

    * One process: the kernel's own high-water mark (VmHWM, or the account it gave at the end).
    * Several: the highest proportional set size seen. Where the summed resident sets peaked between two such
      readings, what the readings around it saw shared is taken off that peak. A spike of the largest
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
    """Peak of the summed resident sets less what is shared, by the readings before and after it."""
    readings = [line for line in samples if "pss" in line]
    if not readings:
        return max(int(line["rss"]) for line in samples)
    after = peak = 0  # readings[:after] are before the line
    for line in samples:
        if "pss" in line:
            after += 1
            peak = max(peak, int(line["pss"]))
            continue
        around = [_shared(reading, int(line["n"])) for reading in readings[max(0, after - 1) : after + 1]]
        peak = max(peak, int(line["rss"]) - max(around))
    return peak


def _shared(reading: dict[str, Any], processes: int) -> int:
    """What *processes* share, as far as *reading* tells: n that share a page count it n - 1 times too often.

    A reading taken while workers start or end sees little that is shared yet; with one on each side of a line, the one that
    saw more is right, for what is held in common does not grow and vanish between two readings.
    """
    count = int(reading["n"])
    if count < 2 or processes < 2:
        return 0
    return max(0, int(reading["rss"]) - int(reading["pss"])) * (processes - 1) // (count - 1)


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
