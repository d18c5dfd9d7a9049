"""A trial: the command once more, bounded in time, and as if it had never been.

It has a session of its own, reads a stdin that was captured once, and prints and writes into a scratch folder (`sandbox`), of which
only the end of what it printed is kept, secrets masked. Its processes stop themselves at the step limit (`inside.trial`); what is left then, is ended here. Everything else is
`supervise.profile`: the same recorder, the same samplers.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

from ..errors import RunError
from ..runs import layout
from ..runs.reader import Run
from . import environment, privacy, supervise, trackers
from .child import Child, Ended, Streams
from .remains import Remains
from .request import Outcome, Request
from .sandbox.place import Method, Place, choose, remove_abandoned
from .stdin import Stdin

# "complete": it had its steady steps. "time is up": not within `Limits.seconds`. "ended by itself": the script was over before.
# "failed": it broke. "stopped": by `Limits.wall_s`, from outside.
State = Literal["complete", "time is up", "ended by itself", "failed", "stopped"]

# Once rank 0 has ended, the other ranks have this long to end their recordings, too.
_GRACE_S = 2.0
# What a trial prints can fill a disk: beyond this its file begins anew. Of either stream the last is kept in the run.
_MOST_OUTPUT_BYTES = 16 * 1024 * 1024
_KEPT_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    """When a trial is over."""

    #: Steady steps wanted, counted from where the process finds itself steady.
    steps: int
    #: … and at least so many seconds of them.
    steady_s: float = 0.0
    #: Over at a step boundary after so many seconds from the framework's import, steady or not; 0 for never.
    seconds: float = 0.0
    #: Makes it a screening (`inside.screening`), over when its rounds are: steps of a turn; 0: no screening.
    screen_steps: int = 0
    #: Seconds of taking turns after which a screening makes no more rounds than it must.
    screen_s: float = 0.0
    #: Makes it one of a relay (`launch.relay`, `inside.relay`), over when it has run so many legs; 0: none.
    legs: int = 0
    #: Steps of a leg, and the seconds that these should take.
    leg_steps: int = 0
    leg_s: float = 0.0
    #: Ended from outside after so many seconds, wherever it is; the time that it was made to wait does not count.
    wall_s: float = 600.0


class Baton(Protocol):
    """What a trial of a relay waits for between its legs."""

    def over(self) -> None:
        """The trial has stopped: others may run."""

    def is_ours(self) -> bool:
        """Whether it may run again; never waits."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What became of a trial."""

    run: Path
    state: State
    #: Why it failed or was stopped; empty otherwise.
    reason: str
    #: The command's own (128 + n for a signal); 0 for a trial that is complete.
    exit_code: int
    outcome: Outcome
    #: Steps seen, and how many of them were steady.
    steps: int
    steady_steps: int
    #: How its writes were kept off the disk.
    method: Method
    #: Folders that it could only read, where it could otherwise have written.
    read_only: tuple[str, ...] = ()
    #: Processes that could not be ended.
    left: tuple[int, ...] = field(default=())


def method_for(request: Request) -> Method:
    """How the writes of *request* are to be kept off the disk here. Tries it, a quarter of a second; ask once.

    What a trial left that was killed together with perfkit is thrown away before.
    """
    remove_abandoned()
    return choose(_working(request))


def run(
    request: Request,
    *,
    limits: Limits,
    stdin: Stdin,
    method: Method,
    cache: Path | None = None,
    baton: Baton | None = None,
    announce: supervise.Announce = lambda _line: None,
) -> Trial:
    """Run one trial of *request* and clear up after it. No trace window unless ``options["no_trace"]`` is False.

    *cache* is a folder in which compilers keep what they made, so that later trials need not make it again; *baton* is for one of a
    relay. Raises
    CommandNotFound, UsageError for an unknown fix, RunError when the run cannot be recorded. A signal that asks us to stop ends the
    trial first and is delivered then (Ctrl-C: KeyboardInterrupt).
    """
    options = {
        "no_trace": True,
        **request.options,
        "trial_steps": limits.steps,
        "trial_steady_seconds": limits.steady_s or None,
        "trial_seconds": limits.seconds or None,
        "screen_steps": limits.screen_steps or None,
        "screen_seconds": limits.screen_s or None,
        "legs": limits.legs or None,
        "leg_steps": limits.leg_steps or None,
        "leg_seconds": limits.leg_s or None,
    }
    request = replace(request, options=options)
    around = _Apart(request, limits, stdin, method, cache, baton)
    try:
        outcome = supervise.profile(request, announce=announce, surroundings=around)
    finally:
        around.clear_up()
    if around.interrupted is not None:
        signal.raise_signal(around.interrupted)
    return _told(outcome, around)


def _working(request: Request) -> list[Path]:
    """Folders that the command is likely to write to."""
    script = [Path(request.target).absolute().parent] if request.kind == "script" else []
    return [*dict.fromkeys([Path.cwd(), *script])]


class _Apart(supervise.Surroundings):
    """A session, streams and a scratch folder of its own, and nobody left at the end."""

    runs_unrecorded = False

    def __init__(
        self, request: Request, limits: Limits, stdin: Stdin, method: Method, cache: Path | None, baton: Baton | None
    ) -> None:
        self._request, self._limits, self._stdin, self._cache, self._baton = request, limits, stdin, cache, baton
        self.method = method
        self.interrupted: int | None = None
        self.stopped: str | None = None  # why it was ended from here
        self.report: dict[str, Any] = {}
        self.left: list[int] = []
        self._place: Place | None = None
        self._remains: Remains | None = None
        self._run: Path | None = None
        self._deadline = self._over_since = self._waits_since = 0.0

    def start(self, run: Path, argv: list[str], environ: dict[str, str]) -> Child:
        if self._cache is not None:
            self._cache.mkdir(parents=True, exist_ok=True)
        passing = [run] if self._cache is None else [run, self._cache]
        try:
            self._place = Place(self.method, passing=passing, working=_working(self._request))
        except OSError as error:
            raise RunError(f"{self.method.parent}: cannot make a scratch folder: {error.strerror}") from error
        self._run = run
        self._remains = Remains(run)
        environ = {**environ, **self._environment(environ, self._place)}
        streams = Streams(
            stdin=self._stdin.open(),
            stdout=_output(self._place.folder / layout.STDOUT),
            stderr=_output(self._place.folder / layout.STDERR),
        )
        try:
            child = Child.start(self._place.argv(argv), environ, apart=streams)
        finally:
            for descriptor in vars(streams).values():
                os.close(descriptor)
        self._deadline = time.monotonic() + self._limits.wall_s
        return child

    def _environment(self, environ: Mapping[str, str], place: Place) -> dict[str, str]:
        made = {"TMPDIR": str(place.temporary), **trackers.offline(place.folder)}
        if place.method.way != "overlay":
            made[environment.SCRATCH_VARIABLE] = str(place.folder)
            made[environment.PASSING_VARIABLE] = str(self._cache or "")
        if self._cache is not None:
            for name, folder in (("TORCHINDUCTOR_CACHE_DIR", "inductor"), ("TRITON_CACHE_DIR", "triton")):
                made[name] = environ.get(name) or str(self._cache / folder)
        return made

    def tick(self, child: Child) -> None:
        if self._run is None:
            return
        now = time.monotonic()
        if self._baton is not None and self._waits(child, self._run / layout.CONTROL / layout.CONTROL_LEG_OVER, now):
            return
        if now >= self._deadline and self.stopped is None:
            self.stopped = f"not over after {self._limits.wall_s:g} s"
            child.kill()
        if not self._over_since and (self._run / layout.CONTROL / layout.CONTROL_TRIAL_OVER).exists():
            self._over_since = now
        if self._over_since and now >= self._over_since + _GRACE_S:
            child.kill()
        for name in (layout.STDOUT, layout.STDERR):
            if self._place is not None:
                _bound(self._place.folder / name)

    def _waits(self, child: Child, leg_over: Path, now: float) -> bool:
        """Whether it waits for its next leg; continues it when that has come."""
        assert self._baton is not None
        if not self._waits_since:
            if not leg_over.exists() or not child.has_stopped():
                return False
            self._waits_since = now
            self._baton.over()
        if not self._baton.is_ours():
            return True
        self._deadline += now - self._waits_since
        self._waits_since = 0.0
        leg_over.unlink()
        child.resume()
        return False

    def ended(self, child: Child, ended: Ended) -> Ended:
        self.interrupted = child.interrupted
        self.clear_up()
        # Ranks that waited for the first and launchers that waited for them were ended here: that is no failure.
        return replace(ended, exit_code=0, signal=None) if self._over_since or self._is_over() else ended

    def _is_over(self) -> bool:
        return self._run is not None and (self._run / layout.CONTROL / layout.CONTROL_TRIAL_OVER).exists()

    def clear_up(self) -> None:
        """End what is left and throw the scratch folder away; a second time there is nothing to do."""
        if self._remains is not None:
            self.left = self._remains.end_all()
            self._remains = None
        if self._place is not None:
            self.report = self._place.report()
            if self._run is not None:
                _keep_output(self._place.folder, self._run)
            self._place.remove()
            self._place = None


def _output(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)


def _keep_output(scratch: Path, run: Path) -> None:
    """The end of what was printed, secrets masked, goes to the run."""
    for name in (layout.STDOUT, layout.STDERR):
        with (scratch / name).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - _KEPT_BYTES))
            text = file.read().decode("utf-8", "replace")
        with suppress(OSError):  # a full disk
            (run / name).write_text(privacy.mask_text(text), encoding="utf-8")


def _bound(path: Path) -> None:
    """Appended to, a file that is cut goes on from its beginning."""
    if path.exists() and path.stat().st_size > _MOST_OUTPUT_BYTES:
        os.truncate(path, 0)


def _told(outcome: Outcome, around: _Apart) -> Trial:
    assert outcome.path is not None
    notes = [note for rank in Run(outcome.path).ranks if rank.rank == 0 for note in rank.facts_of("trial")]
    note = notes[-1] if notes else {}
    state, reason = _judged(outcome, around, note)
    return Trial(
        run=outcome.path,
        state=state,
        reason=reason,
        exit_code=outcome.exit_code,
        outcome=outcome,
        steps=int(note.get("steps", 0)),
        steady_steps=int(note.get("steady_steps", 0)),
        method=around.method,
        read_only=tuple(around.report.get("read_only", ())),
        left=tuple(around.left),
    )


def _judged(outcome: Outcome, around: _Apart, note: Mapping[str, Any]) -> tuple[State, str]:
    assert outcome.path is not None
    if around.stopped is not None:
        return "stopped", around.stopped
    if "failed" in around.report:
        return "failed", f"the sandbox did not stand: {around.report['failed']}"
    if outcome.exit_code:
        said = last_line(outcome.path / layout.STDERR)
        return "failed", said or f"exit code {outcome.exit_code}"
    if note.get("state") in {"complete", "time is up"}:
        return note["state"], ""
    return "ended by itself", "" if note else "no step was seen"


def last_line(path: Path) -> str:
    """The last line in the file that is not blank; of a traceback that is what went wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
