"""Runs `figures.child` in a process of its own and keeps what it says. A fault, a kill or a hang costs the figure it came at, with that as the
reason; what was still to be measured is asked of another process.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .figures.child import FAULT

Row = dict[str, Any]

#: Until a process has begun: torch from a cold disk, and the first touch of a GPU.
STARTS_S = 60.0
#: A figure may take so many times its share, and this more: the last of its calls, the arrays it needs.
OVER, OVER_S = 3.0, 5.0
#: perfkit is loaded by location, under a package made on the spot: it need not be installed there, and nothing beside it is seen.
_CODE = """
import sys, types
sys.path = [place for place in sys.path if place]
package = types.ModuleType("perfkit")
package.__path__ = [{folder!r}]
sys.modules["perfkit"] = package
from perfkit.hardware.figures import child
child.main(sys.argv[1])
"""


@dataclass(kw_only=True)
class Gathered:
    """What children said of the figures that were wanted: each is in one of the two."""

    #: Name → ``{"value", "spread", …}``.
    found: dict[str, Row] = field(default_factory=dict)
    #: Name → why it could not be had.
    reasons: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """The figure; None where there is none."""
        return self.found[name]["value"] if name in self.found else None


def gather(
    group: str,
    wanted: Sequence[str],
    *,
    seconds: float,
    python: str = sys.executable,
    threads: int = 1,
    environ: Mapping[str, str] = os.environ,
    **more: Any,
) -> Gathered:
    """Measure the figures *wanted* of a group of `figures.child`, each for so many *seconds*, in *python*."""
    gathered, left = Gathered(), list(wanted)
    while left:
        task = {"group": group, "wanted": left, "seconds": seconds, "threads": threads, **more}
        lines, ended, hung = _run(python, task, _environ(environ, threads))
        begun = _take(lines, gathered)
        left = [name for name in left if name not in gathered.found and name not in gathered.reasons]
        if not left:
            break
        if begun in left and not hung:
            gathered.reasons[begun] = f"the process that measured it {ended}"
            left.remove(begun)
        elif hung or len(left) == len(task["wanted"]):  # what does not answer is not asked again
            gathered.reasons |= dict.fromkeys(left, f"the process that was to measure it {ended}")
            left = []
    return gathered


def _take(lines: Sequence[Row], gathered: Gathered) -> str:
    """Sort what was said; returns the figure begun last, empty if none was."""
    begun = ""
    for line in lines:
        if "begin" in line:
            begun = str(line["begin"])
        elif "unavailable" in line:
            gathered.reasons[str(line["name"])] = str(line["unavailable"])
        else:
            gathered.found[str(line["name"])] = {key: value for key, value in line.items() if key != "name"}
    return begun


def _environ(environ: Mapping[str, str], threads: int) -> dict[str, str]:
    """The person's own, without perfkit's settings, which are for scripts; so many threads for every BLAS."""
    from .measure import THREAD_VARIABLES

    kept = {name: value for name, value in environ.items() if not name.startswith("PERFKIT_")}
    return {**kept, **dict.fromkeys(THREAD_VARIABLES, str(threads))}


def _run(python: str, task: Row, environ: dict[str, str]) -> tuple[list[Row], str, bool]:
    """What a child said until its end, how that came, and whether it had to be stopped."""
    code = _CODE.format(folder=str(Path(__file__).resolve().parents[1]))
    limit_s = STARTS_S + len(task["wanted"]) * (OVER * task["seconds"] + OVER_S)
    try:
        child = subprocess.Popen(
            [python, "-c", code, json.dumps(task)],
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
    except OSError as error:
        return [], f"could not be started: {python}: {error.strerror}", False
    try:
        out, err = child.communicate(timeout=limit_s)
        return _lines(out), _ending(child.returncode, err), False
    except subprocess.TimeoutExpired:
        _kill(child)
        out, _ = child.communicate()
        return _lines(out), f"did not end in {limit_s:.0f} s and was stopped", True
    finally:
        _kill(child)


def _kill(child: subprocess.Popen[bytes]) -> None:
    """With what it may have started; an interrupted command leaves nothing running."""
    if child.poll() is not None:
        return
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except (AttributeError, OSError):  # no groups on this system, or already gone
        child.kill()


def _lines(out: bytes) -> list[Row]:
    """Whole lines; the last one of a killed process may be torn."""
    found = []
    for line in out.splitlines():
        try:
            said = json.loads(line)
        except ValueError:
            continue
        if isinstance(said, dict):
            found.append(said)
    return found


def _ending(code: int, err: bytes) -> str:
    if code < 0:
        try:
            return f"was killed by {signal.Signals(-code).name}"
        except ValueError:
            return f"was killed by signal {-code}"
    if code == FAULT:
        return "left the device unusable"
    last = err.decode("utf-8", "replace").strip().splitlines()[-1:]
    return f"ended with exit code {code}" + (f": {last[0]}" if last else "")
