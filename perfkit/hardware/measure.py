"""What the host's processor can do, measured: no table says it, for clocks, memory channels and quotas decide.

A second in child processes, with numpy's own BLAS: the best of several matrix products and of several copies, and how much
slower a core works while the others are busy. Two of a virtual machine's cores are often the two threads of one real
core, and nothing in the machine says so. What was measured once is kept in the user's cache, by processor, cores and quota.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import detect
from .figures.timing import best_s

#: For each of two works, alone and beside others.
CROWDED_S = 0.06
TIMEOUT_S = 5.0
# Somebody else at work on more than this share of our cores spoils the figures.
IDLE_SHARE = 0.15
LOOK_S = 0.1
# A neighbour is a Python loop, as in a loader's worker. Siblings that the machine tells of are kept busy alone, else so
# many of the other cores.
NEIGHBOUR = "while True: sum(range(1000))"
MOST_NEIGHBOURS = 15
NEIGHBOUR_STARTS_S = 0.1
ROUNDS = 3
SIBLINGS = "/sys/devices/system/cpu/cpu{core}/topology/thread_siblings_list"
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def cpu_peaks(threads: int | None = None, *, cache: Path | None = None, measure: bool = True) -> dict[str, Any] | None:
    """``{"fp32_flops", "fp64_flops", "stream_bytes_per_s", "crowded", "threads", "measured"}``; numpy has no 16-bit products
    to measure. ``crowded``: see `crowded`.

    From the cache, else measured now if *measure* and nobody else is at work; None when neither can be had.
    """
    threads = threads or max(1, int(detect.usable_cores()))
    file = (cache or cache_folder()) / f"cpu-{fingerprint(threads)}.json"
    known = _read(file)
    if known is not None or not measure or not is_idle():
        return known
    found, slower = _in_child(threads), _in_child(1, "beside_others")
    if found is None or slower is None:
        return found
    _write(file, found := found | slower)
    return found


def fingerprint(threads: int) -> str:
    """Of processor, allowed cores and quota."""
    facts = [detect.cpu_model(), detect.allowed_cores(), detect.usable_cores(), threads, detect.instruction_sets()]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def cache_folder() -> Path:
    """Where perfkit keeps what it may lose."""
    home = os.path.expanduser("~")  # noqa: PTH111 - Path.home() raises for a user without one
    return Path(os.environ.get("XDG_CACHE_HOME") or os.path.join(home, ".cache"), "perfkit")  # noqa: PTH118


def is_idle() -> bool:
    """Whether our cores are left alone at this moment."""
    import psutil

    before = psutil.cpu_times()
    time.sleep(LOOK_S)
    after = psutil.cpu_times()
    idle_s = after.idle - before.idle + getattr(after, "iowait", 0.0) - getattr(before, "iowait", 0.0)
    busy_cores = (os.cpu_count() or 1) - idle_s / LOOK_S
    return bool(busy_cores <= IDLE_SHARE * detect.usable_cores())


def _in_child(threads: int, main: str = "main") -> dict[str, Any] | None:
    environ = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    for name in [name for name in environ if name.startswith("PERFKIT_") or name == "PYTHONPATH"]:
        del environ[name]
    package = str(Path(__file__).resolve().parents[2])
    code = (
        f"import sys; sys.path.insert(0, {package!r}); from perfkit.hardware import measure; measure.{main}({threads})"
    )
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, timeout=TIMEOUT_S, check=True
        )
        return dict(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # the caller says that it was not measured


def main(threads: int) -> None:
    """Measure here and print; the child's side."""
    from .figures import arrays

    found: dict[str, Any] = {f"{dtype}_flops": arrays.matrix_flops(dtype) for dtype in arrays.SIZE}
    found |= {"stream_bytes_per_s": arrays.stream_bytes_per_s(threads), "threads": threads}
    found["measured"] = datetime.now(UTC).date().isoformat()
    sys.stdout.write(json.dumps(found) + "\n")


def crowding() -> dict[str, float] | None:
    """`crowded`, measured now in a process of its own; None where it could not be."""
    found = _in_child(1, "beside_others")
    return dict(found["crowded"]) if found else None


def beside_others(_threads: int) -> None:
    """Measure here and print, with one thread for products; the child's side."""
    sys.stdout.write(json.dumps({"crowded": crowded()}) + "\n")


def crowded() -> dict[str, float]:
    """How many times as long one core takes for the same work while its neighbours are busy, at least 1: ``interpreter``, a
    Python loop, and ``matrix``, products that fit the core's own caches. 1 where there is no other core.
    """
    import numpy as np

    left = np.full((128, 128), 1.5, dtype=np.float32)
    out = np.empty_like(left)
    works = {
        "interpreter": lambda: sum(range(20_000)),
        "matrix": lambda: [np.matmul(left, left, out=out) for _ in range(10)],
    }
    # In turns, the best of each: what else begins to work meanwhile would be taken for the neighbours' doing, for good.
    alone, beside = [], []
    for _ in range(ROUNDS):
        alone.append([best_s(work, CROWDED_S) for work in works.values()])
        with _neighbours():
            beside.append([best_s(work, CROWDED_S) for work in works.values()])
    ratios = np.min(beside, axis=0) / np.min(alone, axis=0)
    return {name: round(max(1.0, float(ratio)), 3) for name, ratio in zip(works, ratios, strict=True)}


@contextmanager
def _neighbours() -> Iterator[None]:
    """Busy processes on cores beside ours. Where processes can be bound to cores, each is, and so are we meanwhile."""
    others = min(MOST_NEIGHBOURS, int(detect.usable_cores()) - 1)
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    if not allowed:
        with _busy([None] * others):
            yield
        return
    own = allowed.pop(0)
    os.sched_setaffinity(0, {own})
    try:
        with _busy([core for core in allowed if core in _siblings(own)] or [*allowed[:others]]):
            yield
    finally:
        os.sched_setaffinity(0, {own, *allowed})


@contextmanager
def _busy(cores: list[int | None]) -> Iterator[None]:
    """A neighbour on each of *cores*; None: wherever the system puts it."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for core in cores:
            started.append(subprocess.Popen([sys.executable, "-I", "-S", "-c", NEIGHBOUR]))
            if core is not None:
                os.sched_setaffinity(started[-1].pid, {core})
        time.sleep(NEIGHBOUR_STARTS_S if started else 0)
        yield
    finally:
        for process in started:
            process.kill()
            process.wait()


def _siblings(core: int) -> list[int]:
    """Threads of the same real core, as far as the machine tells: ``0,64`` or ``0-1``."""
    try:
        text = Path(SIBLINGS.format(core=core)).read_text(encoding="ascii").strip()
    except OSError:
        return []
    ends = [part.split("-") for part in text.split(",") if part]
    return [number for part in ends for number in range(int(part[0]), int(part[-1]) + 1)]


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("stream_bytes_per_s") and "crowded" in found else None


def _write(file: Path, found: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(found) + "\n", encoding="utf-8")
        scratch.replace(file)
    except OSError:
        return  # measured again next time
