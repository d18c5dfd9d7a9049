"""A recording begun in code: the guest in this process, the samplers in a process of their own beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import RunError
from ..model.records import RunInfo, Status
from ..runs import layout
from ..runs.reader import read_info
from . import command, environment, rundir, script_facts
from .facts import Facts
from .infofile import InfoFile, first_info
from .request import OptionValue, Request
from .watch import READY, STOP

# Starting an interpreter and importing the samplers takes 0.2 to 0.5 s; a busy machine takes longer.
START_TIMEOUT_S = 10.0
# The watcher may have a stack window to read out.
STOP_TIMEOUT_S = 15.0
FACTS_TIMEOUT_S = 2.0


@dataclass(frozen=True, kw_only=True)
class Block:
    """A block that is being recorded, or was."""

    #: The run's directory; None when nothing could be recorded.
    path: Path | None


@contextmanager
def record(root: Path, options: Mapping[str, OptionValue], *, stacks: bool = True) -> Iterator[Block]:
    """Record the block into a new run below *root*. Under `perfkit profile` it is part of that run instead.

    Where no run can be made the block runs unrecorded, with one warning. Raises RuntimeError when this
    process is being recorded already.
    """
    supervised = os.environ.get(environment.RUN_VARIABLE)
    if supervised:
        yield Block(path=Path(supervised))
        return
    request = _request(root, options, stacks=stacks)
    try:
        run = rundir.make(root, command.display_name(request))
        info = InfoFile(run, _info(request, run))
    except OSError as error:
        # From here through the context manager's own frame to the user's `with`.
        warnings.warn(f"perfkit cannot record into {root}: {error}", RuntimeWarning, stacklevel=3)
        yield Block(path=None)
        return
    facts = Facts(request, sys.executable)
    watcher = _start_watcher(run, request)
    status: Status = "failed"
    try:
        _start_guest(run, options, watcher.pid)
        yield Block(path=run)
        status = "finished"
    finally:
        _stop_guest()
        ended_ns = time.monotonic_ns()
        _stop_watcher(run, watcher)
        with suppress(RunError):  # the watcher has written its collectors meanwhile
            info.info = read_info(run)
        unread = script_facts.record(request, run, info.info.started_realtime_ns or 0)
        info.update(
            **facts.take(FACTS_TIMEOUT_S),
            status=status,
            ended_monotonic_ns=ended_ns,
            collectors=[*info.info.collectors, *unread],
        )
        rundir.free_reserve(run)


def _request(root: Path, options: Mapping[str, OptionValue], *, stacks: bool) -> Request:
    target = sys.argv[0] or "python"
    return Request(
        kind="script", target=target, args=tuple(sys.argv[1:]), results_root=root, options=options, stacks=stacks
    )


def _info(request: Request, run: Path) -> RunInfo:
    return first_info(
        request,
        run,
        started_monotonic_ns=time.monotonic_ns(),
        started_realtime_ns=time.time_ns(),
        pid=os.getpid(),
        python={"executable": sys.executable, "reason": "the process that recorded itself"},
        options={**request.options, "kind": "block", "stacks": request.stacks},
        origin={"kind": "profile", "block": True},
    )


def _start_watcher(run: Path, request: Request) -> subprocess.Popen[bytes]:
    package_parent = str(Path(__file__).resolve().parents[2])
    argv = [sys.executable, "-m", "perfkit.launch.watch", "--pid", str(os.getpid()), "--run", str(run)]
    argv += [] if request.stacks else ["--no-stacks"]
    argv += ["--no-trace"] if request.options.get("no_trace") else []
    paths = [package_parent, *filter(None, [os.environ.get("PYTHONPATH")])]
    watcher = subprocess.Popen(
        argv,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        process_group=0,  # Ctrl-C is for the program, not for its watcher
    )
    deadline = time.monotonic() + START_TIMEOUT_S
    while not (run / layout.CONTROL / READY).exists() and watcher.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    return watcher


def _start_guest(run: Path, options: Mapping[str, OptionValue], watcher_pid: int) -> None:
    from ..inside import boot

    text = environment.encode_options({**options, "launcher": watcher_pid})
    boot.alias().start(str(run), text)  # type: ignore[no-untyped-call]


def _stop_guest() -> None:
    from ..inside import boot

    boot.alias().stop()  # type: ignore[no-untyped-call]


def _stop_watcher(run: Path, watcher: subprocess.Popen[bytes]) -> None:
    try:
        (run / layout.CONTROL / STOP).touch()
    except OSError:  # a full disk: ask in another way
        watcher.terminate()
    try:
        watcher.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        watcher.kill()
        watcher.wait()
