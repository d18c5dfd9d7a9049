"""One pair: a fresh process of pytest on each side, which take turns block by block, one running and the other stopped."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import PerfkitError
from ..plugin import FOLDER_VARIABLE
from ..session import ASKED, AT, RESULTS, TIMED, WAITS, Plan
from .trees import last_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .trees import Side

Row = dict[str, Any]

_POLL_S = 0.0005
_GRACE_S = 5.0
_KEPT_OUTPUT = 4000
#: What pytest may take to find the benchmarks: imports, mostly.
COLLECTING_S = 600.0
#: Of pytest: no tests were collected, or all deselected.
NO_TESTS = 5
PADDING_BYTES = 4096
#: Of pytest: what would spread or reorder the benchmarks, and with that part the two sides.
PLUGINS_OFF = ("cacheprovider", "randomly", "xdist")


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What one process measured."""

    benchmarks: dict[str, Row]
    problems: dict[str, Row]
    collected: list[str]
    exit_code: int
    said: str


def collected(side: Side, words: Sequence[str]) -> list[str]:
    """The benchmarks that pytest finds with *words* (paths, options) on that side, by node id. Raises PerfkitError when it cannot."""
    with tempfile.TemporaryDirectory(prefix="perfkit-bench-") as folder:
        found = alone(side, Path(folder), words, asked([]), timeout_s=COLLECTING_S)
    if found.exit_code not in (0, NO_TESTS):
        raise PerfkitError(f"{side.name} ({side.label}): pytest cannot collect: {found.said.strip()[-500:]}")
    return found.collected


def run(
    sides: Sequence[Side], words: Sequence[str], only: Iterable[str], plan: Plan, *, place: Path, timeout_s: float
) -> dict[str, Ran]:
    """Run the benchmarks *only* on all *sides* in turns, in that order: what each told, by the side's name. Their outputs lie below *place*.

    Raises PerfkitError when it takes longer than *timeout_s*.
    """
    until = time.monotonic() + timeout_s
    wanted, chance = asked(only, plan, in_turns=True), _chance()
    processes: list[_Process] = []
    try:
        for side in sides:
            processes.append(_Process(side, place / side.name, words, wanted, chance))
            processes[-1].run_a_turn(until)
        turn = 0
        while waiting := [each for each in processes if each.waits]:
            # Who has had more blocks of a benchmark goes on alone until both are at the same one again.
            behind = min(each.at for each in waiting)
            together = [each for each in waiting if each.at == behind]
            for process in together if turn % 2 == 0 else together[::-1]:
                process.run_a_turn(until)
            turn += 1
    finally:
        for process in processes:
            process.end()
    return {side.name: process.told() for side, process in zip(sides, processes, strict=True)}


def looked_at(side: Side, words: Sequence[str], only: Iterable[str], mode: str, *, timeout_s: float) -> Ran:
    """What the benchmarks *only* take on that side: rows hold, under *mode*, what `counting.counted` found (`session.COUNTED`), or
    `tracing.traced` (`session.TRACED`).
    """
    with tempfile.TemporaryDirectory(prefix="perfkit-bench-") as folder:
        return alone(side, Path(folder), words, asked(only, mode=mode), timeout_s=timeout_s)


def asked(only: Iterable[str], plan: Plan | None = None, *, in_turns: bool = False, mode: str = TIMED) -> Row:
    """What a run of pytest is to do, as `bench.session` reads it."""
    return {"only": list(only), "in_turns": in_turns, "mode": mode, **asdict(plan or Plan())}


def _chance() -> dict[str, str]:
    """Another seed of the hashes and another size of the environment for each pair, the same on both sides: where things lie in
    memory is chance, and is to be chance here, not the same in all pairs.
    """
    seed = int.from_bytes(os.urandom(4), "big")
    return {"PYTHONHASHSEED": str(seed), "PERFKIT_PADDING": "x" * (seed % PADDING_BYTES)}


def alone(side: Side, folder: Path, words: Sequence[str], wanted: Row, *, timeout_s: float) -> Ran:
    """Run pytest on one side by itself, in *folder*: what it told. Raises PerfkitError when it takes longer than *timeout_s*."""
    process = _Process(side, folder, words, wanted, _chance())
    try:
        process.run_to_its_end(timeout_s)
    finally:
        process.end()
    return process.told()


class _Process:
    """One run of pytest in a session of its own."""

    def __init__(self, side: Side, folder: Path, words: Sequence[str], wanted: Row, chance: Mapping[str, str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        (folder / ASKED).write_text(json.dumps(wanted), encoding="utf-8")
        environment = {**side.environment, **chance, FOLDER_VARIABLE: str(folder)}
        argv = [side.python, "-m", "pytest", "-q", *(f"-pno:{name}" for name in PLUGINS_OFF), *words]
        with (folder / "output").open("wb") as output:
            self._process = subprocess.Popen(
                argv, cwd=side.folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
                start_new_session=True,
            )  # fmt: skip
        self.waits = False
        #: How many benchmarks it is through with.
        self.at = 0

    def run_a_turn(self, until: float) -> None:
        """Let it run until it hands over, or ends."""
        if self.waits:
            (self._folder / WAITS).unlink()
            os.killpg(self._process.pid, signal.SIGCONT)
            self.waits = False
        while self._process.poll() is None:
            if self._is_stopped() and (self._folder / WAITS).exists():
                self.waits, self.at = True, int((self._folder / AT).read_text(encoding="utf-8"))
                return
            if time.monotonic() > until:
                raise PerfkitError(f"one pair takes longer than there is time for: {last_line(self._said())}")
            time.sleep(_POLL_S)

    def _is_stopped(self) -> bool:
        try:
            return os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG) is not None
        except ChildProcessError:  # it ended since we looked: what is only waited for by its parent cannot be stopped
            return False

    def run_to_its_end(self, timeout_s: float) -> None:
        """Wait for it. Raises PerfkitError when that takes longer than *timeout_s*."""
        try:
            self._process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise PerfkitError(f"pytest did not end within {timeout_s:.0f} s: {last_line(self._said())}") from None

    def end(self) -> None:
        """Nothing of it is left."""
        with_it = self._process.pid
        if self._process.poll() is None:
            os.killpg(with_it, signal.SIGKILL)
        self._process.wait(_GRACE_S)
        with suppress(ProcessLookupError):
            os.killpg(with_it, signal.SIGKILL)  # what it has left behind

    def told(self) -> Ran:
        """What it wrote; without that, why."""
        said = self._said()
        code = self._process.returncode
        try:
            found = json.loads((self._folder / RESULTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Ran(benchmarks={}, problems={}, collected=[], exit_code=code, said=said)
        return Ran(**found, exit_code=code, said=said)

    def _said(self) -> str:
        return (self._folder / "output").read_text(encoding="utf-8", errors="replace")[-_KEPT_OUTPUT:]
