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
from ..session import ASKED, RESULTS, WAITS, Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .trees import Side

Row = dict[str, Any]

_POLL_S = 0.002
_GRACE_S = 5.0
_KEPT_OUTPUT = 4000
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
        found = _alone(side, Path(folder), words, asked([]))
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
            for process in waiting if turn % 2 == 0 else waiting[::-1]:
                process.run_a_turn(until)
            turn += 1
    finally:
        for process in processes:
            process.end()
    return {side.name: process.told() for side, process in zip(sides, processes, strict=True)}


def traced(side: Side, words: Sequence[str], only: Iterable[str]) -> dict[str, list[Row]]:
    """Where the time of the benchmarks *only* goes on that side: rows of `tracing.traced` by id; none of those that fail."""
    with tempfile.TemporaryDirectory(prefix="perfkit-bench-") as folder:
        found = _alone(side, Path(folder), words, asked(only, traced=True))
    return {name: row["traced"] for name, row in found.benchmarks.items()}


def asked(only: Iterable[str], plan: Plan | None = None, *, in_turns: bool = False, traced: bool = False) -> Row:
    """What a run of pytest is to do, as `bench.session` reads it."""
    return {"only": list(only), "in_turns": in_turns, "traced": traced, **asdict(plan or Plan())}


def _chance() -> dict[str, str]:
    """Another seed of the hashes and another size of the environment for each pair, the same on both sides: where things lie in
    memory is chance, and is to be chance here, not the same in all pairs.
    """
    seed = int.from_bytes(os.urandom(4), "big")
    return {"PYTHONHASHSEED": str(seed), "PERFKIT_PADDING": "x" * (seed % PADDING_BYTES)}


def _alone(side: Side, folder: Path, words: Sequence[str], wanted: Row) -> Ran:
    process = _Process(side, folder, words, wanted, _chance())
    try:
        process.run_to_its_end()
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

    def run_a_turn(self, until: float) -> None:
        """Let it run until it hands over, or ends."""
        if self.waits:
            (self._folder / WAITS).unlink()
            os.killpg(self._process.pid, signal.SIGCONT)
            self.waits = False
        while self._process.poll() is None:
            stopped = os.waitid(os.P_PID, self._process.pid, os.WSTOPPED | os.WNOHANG)
            if stopped is not None and (self._folder / WAITS).exists():
                self.waits = True
                return
            if time.monotonic() > until:
                raise PerfkitError("the time for one pair was over; a larger --max-minutes, or fewer benchmarks")
            time.sleep(_POLL_S)

    def run_to_its_end(self) -> None:
        """Wait for it."""
        self._process.wait()

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
        said = (self._folder / "output").read_text(encoding="utf-8", errors="replace")[-_KEPT_OUTPUT:]
        code = self._process.returncode
        try:
            found = json.loads((self._folder / RESULTS).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Ran(benchmarks={}, problems={}, collected=[], exit_code=code, said=said)
        return Ran(**found, exit_code=code, said=said)
