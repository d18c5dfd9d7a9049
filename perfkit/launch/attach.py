"""Watches a process that runs already, for a while, from outside: `perfkit profile --pid`.

What can be had of it: processor, memory and I/O of its tree, the GPUs, and Python stacks. Steps, phases, operators and the framework's own
counters are seen by the guest alone, which lives in processes that perfkit has started.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import RunError, UsageError
from ..model.records import Collector, RunInfo
from ..runs import layout
from . import privacy, procfs, pyspy, rundir
from .facts import Facts
from .host import HostSampler
from .infofile import InfoFile, first_info
from .nvml import NvmlSampler
from .request import Outcome, Request
from .stacks import Window

DEFAULT_SECONDS = 30.0
#: Of the stacks, which are taken all the time: nothing here times steps that they could disturb.
RATE_HZ = 25
LOOK_S = 0.1
FACTS_TIMEOUT_S = 3.0
STOP_TIMEOUT_S = 3.0
WINDOW = "attached"
#: What only a launch under perfkit could add.
UNSEEN = "the process was running already: steps, phases, operators and the framework's memory are seen in one that perfkit starts"


@dataclass(frozen=True, kw_only=True)
class Target:
    """The process."""

    pid: int
    start_ticks: int
    command: tuple[str, ...]
    environment: Mapping[str, str]
    folder: Path | None
    executable: str


def target(pid: int) -> Target:
    """What *pid* is. Raises UsageError where there is no such process, and where it cannot be looked at."""
    stat = procfs.read_stat(pid)
    if stat is None or stat.state == "Z":
        raise UsageError(f"no process {pid}; find it with: pgrep -af python")
    if pid == os.getpid():
        raise UsageError(f"{pid} is perfkit itself")
    command = procfs.read_command(pid)
    if not command or not command[0]:
        raise UsageError(f"{pid} ({stat.name}) is no program of a person: it has no command line")
    return Target(
        pid=pid,
        start_ticks=stat.start_ticks,
        command=tuple(command),
        environment=_environment(pid),
        folder=_link(pid, "cwd"),
        executable=command[0] if Path(command[0]).is_absolute() else str(_link(pid, "exe") or command[0]),
    )


def attach(
    found: Target,
    results_root: Path,
    *,
    seconds: float = DEFAULT_SECONDS,
    stacks: bool = True,
    announce: Callable[[str], None] = lambda _line: None,
) -> Outcome:
    """Watch for *seconds*, until the process ends, or until Ctrl-C. The process is neither stopped nor told.

    Raises RunError when nothing can be recorded.
    """
    request = Request(kind="command", target=found.command[0], args=found.command[1:], results_root=results_root)
    try:
        run = rundir.make(results_root, _name(found))
        info = InfoFile(run, _first_info(request, run, found, seconds))
    except OSError as error:
        raise RunError(f"cannot record into {results_root}: {error}; another place: --results-dir") from error
    facts = Facts(request, found.executable, folder=found.folder)
    host, nvml, spy = HostSampler(run, found.pid), NvmlSampler(run), _Stacks(run, found.pid, seconds, wanted=stacks)
    info.update(started_monotonic_ns=time.monotonic_ns(), started_realtime_ns=time.time_ns())
    host.start()
    nvml.start()
    spy.start()
    try:
        lives = _wait(found, seconds)
    except KeyboardInterrupt:
        lives = True
        announce("ended early; what was seen is kept")
    info.update(status="finished", ended_monotonic_ns=time.monotonic_ns())
    taken = [host.stop(), host.rapl(), nvml.stop(), spy.stop(), Collector(name="steps", state="off", reason=UNSEEN)]
    known = facts.take(FACTS_TIMEOUT_S)
    info.update(**known, collectors=[*taken, *facts.collectors()])
    rundir.free_reserve(run)
    if not lives:
        announce(f"{found.pid} has ended")
    if info.failure:
        announce(f"warning: the recording is incomplete: {info.failure}")
    return Outcome(path=run, exit_code=0, status="finished")


def _wait(found: Target, seconds: float) -> bool:
    """Until the time is over; whether the process still lives then."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        stat = procfs.read_stat(found.pid)
        if stat is None or stat.state == "Z" or stat.start_ticks != found.start_ticks:
            return False
        time.sleep(min(LOOK_S, left))
    return True


def _first_info(request: Request, run: Path, found: Target, seconds: float) -> RunInfo:
    return first_info(
        request,
        run,
        command=privacy.mask_command(list(found.command)),
        script=_name(found),
        pid=found.pid,
        supervisor_pid=os.getpid(),
        python={"executable": found.executable, "reason": f"of the process {found.pid}"},
        environment=privacy.recorded_environment(found.environment),
        options={"kind": "attach", "seconds": seconds},
        origin={"kind": "attach", "pid": found.pid},
    )


def _name(found: Target) -> str:
    """The script or module of a Python process, else the program."""
    words = list(found.command)
    for position, word in enumerate(words[1:], start=1):
        if word == "-m" and position + 1 < len(words):
            return privacy.mask_text(words[position + 1])
        if not word.startswith("-"):
            return privacy.mask_text(Path(word).name)
    return privacy.mask_text(Path(words[0]).name)


def _environment(pid: int) -> dict[str, str]:
    try:
        raw = Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:  # another person's process: its settings are not for us
        return {}
    pairs = (part.decode("utf-8", "replace").partition("=") for part in raw.split(b"\0") if part)
    return {name: value for name, _, value in pairs}


def _link(pid: int, name: str) -> Path | None:
    try:
        return Path(f"/proc/{pid}/{name}").readlink()
    except OSError:
        return None


class _Stacks:
    """One window of Python stacks that lasts as long as we look."""

    def __init__(self, run: Path, pid: int, seconds: float, *, wanted: bool) -> None:
        self._run, self._pid, self._seconds = run, pid, seconds
        self._program = pyspy.find() if wanted else None
        self._why_not = "switched off" if not wanted else "py-spy is not installed beside perfkit or on PATH"
        self._spy: pyspy.PySpy | None = None

    def start(self) -> None:
        if self._program is None:
            return
        try:
            self._spy = pyspy.PySpy(self._program, self._pid, rate_hz=RATE_HZ, duration_s=self._seconds)
        except OSError as error:
            self._why_not = f"py-spy could not be started: {error.strerror}"

    def stop(self) -> Collector:
        spy = self._spy
        if spy is None:
            return Collector(name="stacks", state="off", reason=self._why_not)
        spy.interrupt()
        sampled = spy.result(STOP_TIMEOUT_S)
        if sampled.failure is not None:
            return Collector(name="stacks", state="failed", reason=sampled.failure)
        file = f"stacks-{WINDOW}.txt"
        opened = Window(name=WINDOW, start_ns=spy.started_ns, end_ns=time.monotonic_ns(), rate_hz=RATE_HZ, file=file)
        window = replace(opened, samples=sampled.samples, errors=sampled.errors)
        try:
            (self._run / file).write_text(sampled.text, encoding="utf-8")
            index = json.dumps({"windows": [asdict(window)]}, indent=1) + "\n"
            (self._run / layout.STACKS_INDEX).write_text(index, encoding="utf-8")
        except OSError as error:
            return Collector(name="stacks", state="failed", reason=f"cannot write {file}: {error.strerror}")
        return Collector(
            name="stacks", state="on", reason=f"py-spy from outside: {sampled.samples} samples at {RATE_HZ} Hz"
        )
