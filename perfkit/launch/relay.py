"""Trials that take turns (a relay): a process of each at once, one of them running and the others stopped.

What slows a shared machine down for seconds or minutes then slows all of them down alike, and their ratios stay what they are.
Legs are some hundredths of a second long. The start of each has the machine to itself; from then on they run one leg each, forwards and
backwards in turn (A B C, C B A, …), until all have run theirs.

Each trial has a supervisor of its own, this module run as a program: a supervisor blocks signals, adopts orphans and waits for one
command, all of which it can do for one command only. It ends its trial and itself when we are gone.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Literal

from ..errors import PerfkitError, RunError
from . import supervise, trial
from .sandbox import kernel

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from .request import Request
    from .sandbox.place import Method
    from .stdin import Stdin

# A supervisor that is told to stop has this long to end its trial and to clear up.
_GRACE_S = 15.0
# perfkit as this process has it, and nothing of the script's: its environment is the script's own.
_SERVE = "import sys; sys.path[:] = {path!r}; from perfkit.launch.relay import serve; sys.exit(serve(int(sys.argv[1])))"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h

#: running: its start, or a leg. waiting: stopped before its next leg. over: it has ended, and been cleared up after.
_State = Literal["running", "waiting", "over"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """One trial: the arguments of `trial.run`."""

    request: Request
    limits: trial.Limits
    stdin: Stdin
    method: Method
    cache: Path | None = None


@dataclass(frozen=True, kw_only=True)
class Run:
    """One trial that has been run."""

    trial: trial.Trial
    #: From its start to its end, the others' legs left out.
    wall_s: float


def is_possible() -> bool:
    """Whether processes can be stopped and continued here, and are when we die."""
    return sys.platform == "linux"


def run(orders: Sequence[Order], *, announce: supervise.Announce = lambda _line: None) -> list[Run]:
    """Run all of *orders* in turns. Raises as `trial.run` does, and KeyboardInterrupt; no process is left then either."""
    runners: list[_Runner] = []
    try:
        for order in orders:
            runners.append(_Runner(order))
            _until_it_rests(runners[-1], runners, announce)
        legs = 0
        while waiting := [each for each in runners if each.state == "waiting"]:
            for runner in waiting if legs % 2 == 0 else waiting[::-1]:
                if runner.state == "waiting":
                    runner.go()
                    _until_it_rests(runner, runners, announce)
            legs += 1
    except BaseException:
        for runner in runners:
            runner.stop()
        raise
    finally:
        for runner in runners:
            runner.close()
    return [runner.told() for runner in runners]


def _until_it_rests(runner: _Runner, runners: Sequence[_Runner], announce: supervise.Announce) -> None:
    """Take what the supervisors say until *runner* has run its leg, or ended."""
    while runner.state == "running":
        alive = {each.connection: each for each in runners if each.state != "over"}
        for connection in wait(list(alive)):
            alive[connection].hear(announce)  # type: ignore[index]


class _Runner:
    """A trial's supervisor, seen from here."""

    def __init__(self, order: Order) -> None:
        from multiprocessing import Pipe

        self.connection, theirs = Pipe()
        words = [sys.executable, "-c", _SERVE.format(path=sys.path), str(theirs.fileno())]
        self._process = subprocess.Popen(words, stdin=subprocess.DEVNULL, pass_fds=[theirs.fileno()])
        theirs.close()
        self.state: _State = "running"
        self._found: Run | Exception | None = None
        self.connection.send((os.getpid(), order))

    def go(self) -> None:
        """Let it run its next leg."""
        self.state = "running"
        with suppress(BrokenPipeError, ProcessLookupError):  # it has just died, which is heard next
            self.connection.send("go")
            self._process.send_signal(signal.SIGCHLD)  # wakes it at once

    def hear(self, announce: supervise.Announce) -> None:
        """Take one thing that it says."""
        try:
            kind, content = self.connection.recv()
        except (EOFError, ConnectionResetError):
            self.state = "over"
            return
        if kind == "line":
            announce(content)
        elif kind == "leg over":
            self.state = "waiting"
        else:
            self._found = content

    def stop(self) -> None:
        """End its trial, and it."""
        if self._process.poll() is None:
            self._process.terminate()

    def close(self) -> None:
        """It has ended, or has just been told to."""
        try:
            self._process.wait(_GRACE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self.connection.close()

    def told(self) -> Run:
        """What came of it. Raises what it raised."""
        if isinstance(self._found, Exception):
            raise self._found
        if self._found is None:
            raise RunError(
                f"the supervisor of a trial ended with exit code {self._process.returncode}, and told nothing"
            )
        return self._found


# --- in the supervisor's process


@dataclass
class _Baton:
    """Says that a leg is over, and whose turn it is."""

    connection: Connection[Any, Any]
    waited_s: float = field(default=0.0, init=False)
    _since: float = field(default=0.0, init=False)

    def over(self) -> None:
        self._since = time.monotonic()
        self.connection.send(("leg over", None))

    def is_ours(self) -> bool:
        if not self.connection.poll():
            return False
        self.connection.recv()
        self.waited_s += time.monotonic() - self._since
        return True


def serve(descriptor: int) -> int:
    """Supervise one trial for the process at the other end of the pipe *descriptor*."""
    kernel.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    connection: Connection[Any, Any] = Connection(descriptor)
    try:
        launcher, order = connection.recv()
        if os.getppid() != launcher:  # it died before we asked to be told
            return 1
        connection.send(("end", _served(order, connection)))
    except (KeyboardInterrupt, EOFError, BrokenPipeError):
        return 1
    return 0


def _served(order: Order, connection: Connection[Any, Any]) -> Run | Exception:
    baton, started = _Baton(connection), time.monotonic()
    try:
        found = trial.run(
            order.request,
            limits=order.limits,
            stdin=order.stdin,
            method=order.method,
            cache=order.cache,
            baton=baton,
            announce=lambda line: connection.send(("line", line)),
        )
    except PerfkitError as error:
        return error
    return Run(trial=found, wall_s=time.monotonic() - started - baton.waited_s)
