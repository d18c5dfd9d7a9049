"""Runs the command, records it from outside, and says how it ended.

Nothing here may cost the person their run: when the results directory cannot be written the command still
runs, unrecorded, with one warning; when a sampler cannot work, its reason goes to run.json and the rest
goes on.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import RunError
from ..model.records import RunInfo, Status
from . import command, environment, fixes, handshake, interpreter, rundir, script_facts
from .aftermath import Aftermath
from .child import Child, Ended
from .facts import Facts
from .infofile import InfoFile, first_info
from .request import Outcome, Request
from .session import Session

NOT_EXECUTABLE = 126
# A script that ends at once still waits this long for git and the like.
FACTS_TIMEOUT_S = 3.0
Announce = Callable[[str], None]


class Surroundings:
    """What the command runs in and what becomes of that. As it stands here: as without perfkit."""

    #: Whether the command is run also when it cannot be recorded.
    runs_unrecorded = True

    def start(self, run: Path, argv: list[str], environ: dict[str, str]) -> Child:
        """Start it. Raises OSError when it cannot be executed."""
        return Child.start(argv, environ)

    def tick(self, child: Child) -> None:
        """Called about twenty times per second while it runs; never waits."""

    def ended(self, child: Child, ended: Ended) -> Ended:
        """It has ended: clear up, and say how that is to be taken."""
        return ended


def profile(
    request: Request,
    *,
    announce: Announce = lambda _line: None,
    surroundings: Surroundings | None = None,
) -> Outcome:
    """Run *request* to its end and record it. *announce* gets lines meant for a person (stderr).

    Raises CommandNotFound when there is nothing to run, UsageError for an unknown fix, and RunError when it cannot be recorded and
    is not to run without. Call it in the main thread, before others are started.
    """
    around = surroundings or Surroundings()
    fixes.check(request.fixes)
    python = interpreter.choose(request.python)
    argv = command.build(request, python)
    if request.kind != "command" and (request.verbose or not python.is_own):
        announce(f"python: {python.path} ({python.reason})")
    try:
        run = rundir.make(request.results_root, command.display_name(request))
        fixes.write(run, request.fixes)
        info = InfoFile(run, _first_info(request, run, argv, python))
    except OSError as error:
        reason = f"cannot record into {request.results_root}: {error}"
        if not around.runs_unrecorded:
            raise RunError(reason) from error
        return _unrecorded(argv, reason, announce)
    return _recorded(request, run, info, argv, announce, around)


def _unrecorded(argv: list[str], reason: str, announce: Announce) -> Outcome:
    announce(f"warning: {reason}; running without a recording (another place: --results-dir)")
    child = Child.start(argv, os.environ)
    ended = child.wait()
    child.release()
    return Outcome(path=None, exit_code=ended.exit_code, status=_status(ended), unrecorded=reason)


def _recorded(
    request: Request, run: Path, info: InfoFile, argv: list[str], announce: Announce, around: Surroundings
) -> Outcome:
    environ = environment.child_environment(
        os.environ, run, {**request.options, **fixes.option(request.fixes)}, os.getpid()
    )
    clocks = time.monotonic_ns(), time.time_ns()
    try:
        child = around.start(run, argv, environ)
    except OSError as error:
        return _not_executable(run, info, argv, error, announce)
    info.update(pid=child.pid, started_monotonic_ns=clocks[0], started_realtime_ns=clocks[1])
    ended = _watched(request, run, info, argv, child, around)
    rundir.free_reserve(run)
    if info.failure:
        announce(f"warning: the recording is incomplete: {info.failure}")
    child.release()
    return Outcome(path=run, exit_code=ended.exit_code, status=_status(ended))


def _watched(request: Request, run: Path, info: InfoFile, argv: list[str], child: Child, around: Surroundings) -> Ended:
    """Wait for the end with all samplers at work, and write down how it ended."""
    session = Session(run, child.pid, stacks=request.stacks, traced=not request.options.get("no_trace"))
    aftermath = Aftermath()
    session.start()
    facts = Facts(request, info.info.python["executable"])

    def tick() -> None:
        session.tick()
        around.tick(child)
        if found := facts.take():
            info.update(**found)

    ended = around.ended(child, child.wait(tick))
    # Said first of all: whatever happens to us from here on, the run has ended like this.
    ending: dict[str, Any] = {"status": _status(ended), "exit_code": ended.exit_code}
    info.update(**ending, ended_monotonic_ns=ended.ended_monotonic_ns)
    outside = session.finish(ended)
    found = facts.take(FACTS_TIMEOUT_S)
    inside = [*handshake.collectors(run, argv), *script_facts.record(request, run, info.info.started_realtime_ns or 0)]
    info.update(**found, collectors=[*outside, *facts.collectors(), *inside])
    info.update(host={**info.info.host, **aftermath.host_facts(ended)})
    return ended


def _not_executable(run: Path, info: InfoFile, argv: list[str], error: OSError, announce: Announce) -> Outcome:
    """The shell's code for a program that was found and cannot be executed."""
    info.update(status="failed", exit_code=NOT_EXECUTABLE, ended_monotonic_ns=time.monotonic_ns())
    rundir.free_reserve(run)
    announce(f"error: {argv[0]}: cannot be executed: {error.strerror}")
    return Outcome(path=run, exit_code=NOT_EXECUTABLE, status="failed")


def _status(ended: Ended) -> Status:
    if ended.signal is not None:
        return "killed"
    return "finished" if ended.exit_code == 0 else "failed"


def _first_info(request: Request, run: Path, argv: list[str], python: interpreter.Interpreter) -> RunInfo:
    options = {key: value for key, value in request.options.items() if value is not None}
    return first_info(
        request,
        run,
        supervisor_pid=os.getpid(),
        python={"executable": command.interpreter_of(argv, python), "reason": python.reason},
        options={**options, **fixes.recorded(request.fixes), "kind": request.kind, "stacks": request.stacks},
        origin={"kind": "profile"},
    )


__all__ = ["Announce", "Outcome", "Request", "Surroundings", "profile"]
