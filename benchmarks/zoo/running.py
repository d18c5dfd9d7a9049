"""Runs a script of the zoo in a process of its own and reads what it prints."""

import os
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RATE = re.compile(r"([\d.]+) samples/s")
TIME_LIMIT_S = 600


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one run of a script took."""

    #: Mean of the epochs after the first, by the script's own stopwatch.
    seconds_per_sample: float
    wall_s: float
    epochs: int

    def on(self, basis: str) -> float:
        return self.wall_s if basis == "run" else self.seconds_per_sample


class ScriptFailedError(RuntimeError):
    """A script of the zoo did not end well, or printed no rates."""


def environment(threads: int | None) -> dict[str, str]:
    """This process's, with as many threads as the case wants and nothing of ours."""
    drop = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONPATH")
    kept = {key: value for key, value in os.environ.items() if key not in drop}
    kept["TORCHINDUCTOR_FORCE_DISABLE_CACHES"] = "1"  # a second run must compile as the first did
    return kept | ({"OMP_NUM_THREADS": str(threads)} if threads else {})


def on_cores(count: int):
    """A function that keeps the process which calls it on the last *count* cores."""
    allowed = sorted(os.sched_getaffinity(0))[-count:]
    return lambda: os.sched_setaffinity(0, allowed)


def run(words: list[str], cores: int, threads: int | None, folder: Path) -> tuple[str, float]:
    """Output and wall time of a command. Raises ScriptFailedError."""
    started = time.perf_counter()
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=folder, env=environment(threads), preexec_fn=on_cores(cores),
        timeout=TIME_LIMIT_S,
    )  # fmt: skip
    if done.returncode:
        raise ScriptFailedError(f"{words}: {done.stderr.strip()[-500:]}")
    return done.stdout, time.perf_counter() - started


def timed(script: Path, cores: int, threads: int | None) -> Timing:
    """One plain run of *script*."""
    output, wall_s = run([sys.executable, str(script)], cores, threads, script.parent)
    return read(output, wall_s)


def read(output: str, wall_s: float) -> Timing:
    """Rates that a script printed, the first epoch left out."""
    rates = [float(text) for text in RATE.findall(output)][1:]
    if len(rates) < 2:
        raise ScriptFailedError(f"printed {len(rates) + 1} rates: {output[-300:]}")
    return Timing(seconds_per_sample=sum(1 / rate for rate in rates) / len(rates), wall_s=wall_s, epochs=len(rates))
