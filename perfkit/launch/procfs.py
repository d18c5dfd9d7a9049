"""Processes as Linux shows them in /proc: cheaper than any library, and with the counters that they leave
out.

CPU time and I/O are counted so that the sum over a tree never loses what a finished child has used: the
kernel adds a reaped child's figures to its parent's (proc(5): cutime, cstime; task I/O accounting does the
same).
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 10_000_000
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of /proc/PID/stat, as far as we use it."""

    pid: int
    parent: int
    name: str
    state: str
    cpu_ns: int  # its own, all threads
    reaped_cpu_ns: int  # of children it has waited for
    session: int
    start_ticks: int  # tells a reused number
    rss_bytes: int


def read_stat(pid: int) -> Stat | None:
    """None when there is no such process."""
    try:
        raw = _read(f"/proc/{pid}/stat")
    except OSError:
        return None
    opened, closed = raw.find(b"("), raw.rfind(b")")
    fields = raw[closed + 2 :].split()
    user, system, reaped_user, reaped_system = (int(f) for f in fields[11:15])
    return Stat(
        pid=pid,
        parent=int(fields[1]),
        name=raw[opened + 1 : closed].decode("utf-8", "replace"),
        state=chr(fields[0][0]),
        cpu_ns=(user + system) * TICK_NS,
        reaped_cpu_ns=(reaped_user + reaped_system) * TICK_NS,
        session=int(fields[3]),
        start_ticks=int(fields[19]),
        rss_bytes=int(fields[21]) * PAGE_BYTES,
    )


def all_stats() -> dict[int, Stat]:
    """Every process of the machine (or of our PID namespace)."""
    names = (name for name in os.listdir(PROC) if name.isdigit())  # noqa: PTH208 - twice as fast
    found = (read_stat(int(name)) for name in names)
    return {stat.pid: stat for stat in found if stat is not None}


def read_io(pid: int) -> tuple[int, int] | None:
    """Bytes read from and written to storage, reaped children included. None when not ours to see."""
    try:
        raw = _read(f"/proc/{pid}/io")
    except OSError:
        return None
    values = dict(line.split(b": ") for line in raw.splitlines() if b": " in line)
    return int(values.get(b"read_bytes", 0)), int(values.get(b"write_bytes", 0))


def read_pss_bytes(pid: int) -> int | None:
    """Proportional set size: pages that several processes share are divided among them. None when not
    readable.
    """
    try:
        found = re.search(rb"^Pss:\s+(\d+) kB", _read(f"/proc/{pid}/smaps_rollup"), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def read_peak_rss_bytes(pid: int) -> int | None:
    """VmHWM: the largest resident set this process has had. None for one that has ended."""
    try:
        found = re.search(rb"^VmHWM:\s+(\d+) kB", _read(f"/proc/{pid}/status"), re.MULTILINE)
    except OSError:
        return None
    return int(found.group(1)) * 1024 if found else None


def read_command(pid: int) -> list[str]:
    """The argument vector; empty when there is none to see."""
    try:
        raw = _read(f"/proc/{pid}/cmdline")
    except OSError:
        return []
    return [word.decode("utf-8", "replace") for word in raw.rstrip(b"\0").split(b"\0")]


def machine_cpu_ns() -> tuple[int, int]:
    """(busy, total) CPU time of the whole machine since boot, summed over its processors."""
    fields = [int(f) for f in _read("/proc/stat").split(b"\n", 1)[0].split()[1:9]]
    idle = fields[3] + fields[4]  # idle and waiting for I/O; guest time is inside user time already
    return (sum(fields) - idle) * TICK_NS, sum(fields) * TICK_NS


def _read(path: str) -> bytes:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts = [os.read(fd, 65536)]
        while parts[-1]:
            parts.append(os.read(fd, 65536))
    finally:
        os.close(fd)
    return b"".join(parts)
