"""What the host's processor can do, measured: no table says it, for clocks, memory channels and quotas decide.

Half a second in a child process, with numpy's own BLAS: the best of several matrix products and of several copies. What
was measured once on a machine is kept in the user's cache, by processor, cores and quota.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from . import detect

# A matrix product of this size runs at full rate (2 GFLOP: 10-40 ms on one core) and its operands fit most caches.
SIZE = {"fp32": 1024, "fp64": 768}
# Two arrays of this size fit no ordinary last cache.
COPY_BYTES = 64 << 20
BUDGET_S = {"fp32": 0.12, "fp64": 0.08, "stream": 0.12}
TIMEOUT_S = 5.0
# Somebody else at work on more than this share of our cores spoils the figures.
IDLE_SHARE = 0.15
LOOK_S = 0.1
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


def cpu_peaks(threads: int | None = None, *, cache: Path | None = None, measure: bool = True) -> dict[str, Any] | None:
    """``{"fp32_flops", "fp64_flops", "stream_bytes_per_s", "threads", "measured"}``; numpy has no 16-bit products to measure.

    From the cache, else measured now if *measure* and nobody else is at work; None when neither can be had.
    """
    threads = threads or max(1, int(detect.usable_cores()))
    file = (cache or cache_folder()) / f"cpu-{fingerprint(threads)}.json"
    known = _read(file)
    if known is not None or not measure or not is_idle():
        return known
    found = _in_child(threads)
    if found is not None:
        _write(file, found)
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


def _in_child(threads: int) -> dict[str, Any] | None:
    environ = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    for name in [name for name in environ if name.startswith("PERFKIT_") or name == "PYTHONPATH"]:
        del environ[name]
    package = str(Path(__file__).resolve().parents[2])
    code = f"import sys; sys.path.insert(0, {package!r}); from perfkit.hardware import measure; measure.main({threads})"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code], env=environ, capture_output=True, timeout=TIMEOUT_S, check=True
        )
        return dict(json.loads(done.stdout))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None  # the caller says that it was not measured


def main(threads: int) -> None:
    """Measure here and print; the child's side."""
    found: dict[str, Any] = {f"{dtype}_flops": matrix_flops(dtype) for dtype in SIZE}
    found |= {"stream_bytes_per_s": stream_bytes_per_s(threads), "threads": threads}
    found["measured"] = datetime.now(UTC).date().isoformat()
    sys.stdout.write(json.dumps(found) + "\n")


def matrix_flops(dtype: str) -> float:
    """FLOP/s of square matrix products."""
    import numpy as np

    size = SIZE[dtype]
    left = np.full((size, size), 1.5, dtype={"fp32": np.float32, "fp64": np.float64}[dtype])
    out = np.empty_like(left)
    return float(2 * size**3 / best_s(lambda: np.matmul(left, left, out=out), BUDGET_S[dtype]))


def stream_bytes_per_s(threads: int) -> float:
    """Bytes read and written per second when all threads copy arrays that no cache holds."""
    from concurrent.futures import ThreadPoolExecutor

    import numpy as np

    source = np.ones(COPY_BYTES // 8)
    target = np.zeros_like(source)
    parts = list(zip(np.array_split(source, threads), np.array_split(target, threads), strict=True))
    with ThreadPoolExecutor(threads) as pool:

        def copy() -> None:
            list(pool.map(lambda part: np.copyto(part[1], part[0]), parts))

        return 2 * COPY_BYTES / best_s(copy, BUDGET_S["stream"])


def best_s(work: Callable[[], Any], budget_s: float) -> float:
    """Seconds of the fastest of as many calls as the budget holds, at least two."""
    ends, best, count = time.perf_counter() + budget_s, float("inf"), 0
    while count < 2 or time.perf_counter() < ends:
        start = time.perf_counter()
        work()
        best, count = min(best, time.perf_counter() - start), count + 1
    return best


def _read(file: Path) -> dict[str, Any] | None:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) and found.get("stream_bytes_per_s") else None


def _write(file: Path, found: dict[str, Any]) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_suffix(f".{os.getpid()}.tmp")
        scratch.write_text(json.dumps(found) + "\n", encoding="utf-8")
        scratch.replace(file)
    except OSError:
        return  # measured again next time
