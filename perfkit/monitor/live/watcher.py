"""Watches one supervised process: what `launch.supervise` runs it in, from `perfkit monitor run`.

Everything happens in the supervisor's tick and never waits: marks and samples are read as they have been written, a stack dump is
started and looked for later. Whatever goes wrong here ends the watching, is said, and never the run.
"""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ...launch import dump, pyspy
from ...launch.child import Child
from ...launch.supervise import Surroundings
from ...launch.tee import Tee
from ...model.monitoring import Event, EventKind, Severity, Status
from ...runs import layout
from ..pipeline import Pipeline
from . import ends
from .feed import Feed
from .growth import slope
from .health import HANG_AFTER_S, Health
from .pace import Pace
from .progress import Expected, Progress
from .samples import Samples, interval_s
from .script_logs import ScriptLogs, own_files
from .steps import LiveSteps, Step
from .tail import Bytes, Lines, RankMarks

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from ...launch.child import Ended
    from ...model.monitoring import RunState

HEARTBEAT_S = 10.0
# What is left at the end gets so many points, whatever the pace.
LAST_POINTS = 500
# Errors in the script's log that get an event of their own.
MOST_LOG_ERRORS = 20
# How often the alerter is told that time has passed, and the groups of the process are looked up.
TICK_S, GROUPS_S = 1.0, 2.0
#: In the run's directory: what every thread did when a hang was seen.
HANG_STACKS = "hang-stacks.txt"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asked for."""

    hang_after_s: float = HANG_AFTER_S
    total_steps: int | None = None
    total_epochs: int | None = None
    #: Files in which the script logs, beside its standard output and error.
    log_files: tuple[Path, ...] = ()
    #: Whether to stand between the script and its output where that is no file (`launch.tee`).
    tee: bool = False


class Watcher(Surroundings):
    """One run, from its start to its end. *opened* makes the pipeline once the run's directory is known."""

    def __init__(self, opened: Callable[[Path], Pipeline], wanted: Wanted | None = None) -> None:
        self._opened, self._wanted = opened, wanted or Wanted()
        self.run: Path | None = None
        self.pipeline: Pipeline | None = None
        self.end: ends.End | None = None
        #: Why the watching ended before the run did; "" where it did not.
        self.broken = ""
        #: What of the asked could not be done.
        self.untold = ""
        self.steps = LiveSteps()
        self.progress = Progress(total_steps=self._wanted.total_steps, total_epochs=self._wanted.total_epochs)
        self._ended: Ended | None = None
        self._pid: int | None = None
        self._state: RunState = "starting"
        self._dump: dump.StackDump | None = None
        self._dumped = False
        self._tee: Tee | None = None
        self._hang_at = ""
        self._eta_unknown = True
        self._log_errors = 0
        self._cost_s = 0.0
        self._next: dict[str, float] = {}

    # -- what supervise calls

    def start(self, run: Path, argv: list[str], environ: dict[str, str]) -> Child:
        """Start it as it would start without us, and begin the record."""
        self._oom = ends.OomWatch()
        child = self._start(argv, environ)
        self.run, self._pid = run, child.pid
        now = time.monotonic()
        self._marks, self._samples, self._guests = RankMarks(run), Samples(run), Lines(run / layout.GUESTS)
        self._pace, self._begun = Pace(now), now
        self.health = Health(time.monotonic_ns(), hang_after_s=self._wanted.hang_after_s)
        try:
            self.pipeline = self._opened(run)
            self._feed = Feed(self.pipeline)
            own = self._tee.copies if self._tee is not None else own_files()
            self._logs = ScriptLogs([*own, *(Bytes(path) for path in self._wanted.log_files)])
            self._say_status("")
        except Exception as error:  # the run goes on, unwatched
            self._broke(error)
        return child

    def _start(self, argv: list[str], environ: dict[str, str]) -> Child:
        if not self._wanted.tee:
            return Child.start(argv, environ)
        try:
            self._tee = Tee()
        except OSError as error:  # closed streams, no descriptors left: the script runs as without --logs
            self.untold = f"what the script prints is not read: {error.strerror}"
            return Child.start(argv, environ)
        try:
            return Child.start(argv, environ, outputs=self._tee.outputs)
        finally:
            self._tee.started()

    def tick(self, child: Child) -> None:
        """Look at what is new."""
        if self.broken or self.pipeline is None:
            return
        try:
            self._look(child.pid)
        except Exception as error:
            self._broke(error)

    def ended(self, child: Child, ended: Ended) -> Ended:
        """Keep how it ended; `close` tells it, once run.json says it."""
        self._ended = ended
        if self._tee is not None:
            self._tee.finish()
        if self._dump is not None:
            self._dump.stop()
        return ended

    # -- while it runs

    def _look(self, pid: int) -> None:
        now = time.monotonic()
        self._logs.collect()
        if self._pace.due(now):
            before = time.thread_time()
            self._take_news(now)
            self._take_samples(now)
            cost = time.thread_time() - before
            self._cost_s += cost
            self._pace.cost(time.monotonic(), cost)
        if self._every("groups", GROUPS_S, now):
            self._oom.look(pid)
            self._hear_guests()
        self._judge(now)
        if self.pipeline is not None and self._every("tick", TICK_S, now):
            self.pipeline.tick()

    def _take_news(self, now: float, *, last: bool = False) -> None:
        """Steps that have ended, and what the script has said meanwhile."""
        made = self._steps()
        said = self._logs.take(last=last)
        for one in said:
            if one.values:  # a metric is a sign of life
                self.health.sign(one.at_ns)
            elif one.error:
                self._log_error(one.error)
        if self._wanted.total_epochs is None and self._logs.total_epochs is not None:
            self.progress.total_epochs = self._logs.total_epochs
        if made or said:
            self._feed.tell(made, [one for one in said if one.values], LAST_POINTS if last else self._pace.points(now))

    def _steps(self) -> list[Step]:
        restarts, wrote = self._marks.restarts, self._marks.last_write_ns
        rows = self._marks.read()
        now_ns = time.monotonic_ns()
        if self._marks.restarts > restarts:
            self.steps.restart()
            self._tell("note", "warning", "restart", f"rank 0 began anew after step {self.steps.count}", {})
        if self._marks.last_write_ns > wrote:
            self.health.sign(now_ns)
        made = self.steps.take(rows, now_ns)
        for step in made:
            self.health.step(step.end_ns, step.wall_ns)
            self.progress.step(step.number, step.end_ns)
        per_step = self.steps.batches / self.steps.count if self.steps.batches else 1.0
        self.progress.epochs(self.steps.epoch_steps, self.steps.loader_length, per_step)
        return made

    def _log_error(self, text: str) -> None:
        self._log_errors += 1
        if self._log_errors <= MOST_LOG_ERRORS:
            self._tell("note", "warning", "log", f"logged: {text}"[:300], {})

    def _hear_guests(self) -> None:
        """A process that cannot record its steps any more says so: from then on nothing can be told from their absence."""
        for line in self._guests.read():
            if isinstance(line.get("failed"), str):
                self.health.blind = True
                message = f"steps are not seen any more in process {line.get('pid')}: {line['failed']}"
                self._tell("note", "warning", "guest", message, {})

    def _take_samples(self, now: float) -> None:
        if not self._every("samples", interval_s(now - self._begun), now):
            return
        values = self._samples.take()
        if self.steps.device_bytes:
            values["system/device_memory_bytes"] = float(sum(self.steps.device_bytes.values()))
        now_ns = time.monotonic_ns()
        if self._samples.saving and self.steps.count:
            self.health.sign(now_ns)
        if self._samples.cores is not None:
            self.health.cores(self._samples.cores, now_ns)
        self._feed.sample(values, self.steps.count or None, self.steps.epoch)

    def _judge(self, now: float) -> None:
        """The state, and what a change of it brings about."""
        state, expected = self._look_at_health()
        if state == "hanging" != self._state:
            # What was read last may be as old as the pace lets it be: nothing hangs of which there is news.
            self._take_news(now)
            state, expected = self._look_at_health()
        if state != self._state:
            before, self._state = self._state, state
            if state == "hanging":
                self._begin_dump()
            elif before == "hanging":
                self._tell("recovered", "info", "hang", f"steps go on, after step {self.steps.count}", {}, alert=False)
                self._hang_at = ""
            self._next["status"] = 0.0
        if (expected.end_ns is None) != self._eta_unknown:
            self._eta_unknown = expected.end_ns is None
            self._next["status"] = 0.0
        if self._dump is not None:
            self._take_dump()
        # A hang is told once it is known where it hangs.
        if self._dump is None and self._every("status", HEARTBEAT_S, now):
            self._say_status(f"{self.health.hang}{self._hang_at}" if self.health.hang else "", expected.end_ns)

    def _look_at_health(self) -> tuple[RunState, Expected]:
        """How the run stands by what has been read, and what is expected of it."""
        expected = self.progress.expected(time.monotonic_ns(), time.time_ns())
        self.health.complete = expected.steps is not None and self.steps.count >= expected.steps
        return self.health.look(time.monotonic_ns()), expected

    # -- a hang

    def _begin_dump(self) -> None:
        program = pyspy.find()
        if self._dumped or program is None or self._pid is None:
            self._tell_hang(dump.Dump(text="", frames=(), failure="" if self._dumped else "py-spy is not installed"))
            return
        self._dumped = True
        try:
            self._dump = dump.StackDump(program, self._pid)
        except OSError as error:
            self._tell_hang(dump.Dump(text="", frames=(), failure=f"py-spy: {error.strerror}"))

    def _take_dump(self) -> None:
        found = self._dump.poll() if self._dump is not None else None
        if found is None:
            return
        self._dump = None
        if found.text and self.run is not None:
            try:
                (self.run / HANG_STACKS).write_text(found.text, encoding="utf-8")
            except OSError as error:
                found = dump.Dump(text="", frames=found.frames, failure=f"{HANG_STACKS}: {error.strerror}")
        self._tell_hang(found)

    def _tell_hang(self, found: dump.Dump) -> None:
        self._hang_at = f"; it is in {found.frames[0]}" if found.frames else ""
        evidence: dict[str, Any] = {"frames": list(found.frames)} if found.frames else {}
        evidence |= {"stacks": HANG_STACKS} if found.text else {}
        evidence |= {"no_stacks_because": found.failure} if found.failure else {}
        if self.health.hang is not None:
            evidence |= {"quiet_s": self.health.hang.quiet_s, "limit_s": self.health.hang.limit_s}
        advice = f"what every thread did: {HANG_STACKS} in the run's directory" if found.text else ""
        message = f"hanging: {self.health.hang}{self._hang_at}"
        self._tell("fault", "critical", "hang", message, evidence, advice=advice, alert=False)

    # -- the end

    def close(self) -> None:
        """Take what was written last, say how it ended, and close the record. Call it when the supervisor has done its part."""
        if self.pipeline is None or self.run is None:
            return
        try:
            self._close(self.run, self.pipeline)
        except Exception as error:
            self._broke(error)

    def _close(self, run: Path, pipeline: Pipeline) -> None:
        if not self.broken:
            self._hear_guests()
            self._logs.collect()
            self._take_news(time.monotonic(), last=True)
            self._next["samples"] = 0.0
            self._take_samples(time.monotonic())
            self._tell_memory(pipeline)
            self._tell_cost()
        if self._ended is not None and self._pid is not None:
            self.end = ends.end_of(run, self._ended, self._pid, self._oom)
            self._state = self.end.state
            if self.end.state != "finished":
                after = f" after step {self.steps.count:,}" if self.steps.count else ""
                message = f"{self.end.state}{after}: {self.end.reason}"
                self._tell("fault", "critical", "end", message, self.end.evidence, advice=self.end.advice, alert=False)
            self._say_status(self.end.reason)
        pipeline.close()

    def _tell_cost(self) -> None:
        """What the watching has cost, in this process."""
        wall_s = max(time.monotonic() - self._begun, 1e-9)
        share = self._cost_s / wall_s
        message = f"watching from outside has taken {100 * share:.2g} % of one core"
        self._tell("note", "info", "cost", message, {"cpu_s": self._cost_s, "wall_s": wall_s, "share_of_core": share})

    def _tell_memory(self, pipeline: Pipeline) -> None:
        """How memory grew with the steps, where there were enough of them."""
        found = slope(pipeline.history)
        if found is not None:
            self._tell("note", "info", "memory", str(found), asdict(found), "system/host_memory_bytes")

    # -- telling

    def _tell(
        self,
        kind: EventKind,
        severity: Severity,
        source: str,
        message: str,
        evidence: dict[str, Any],
        metric: str = "",
        advice: str = "",
        *,
        alert: bool = True,
    ) -> None:
        if self.pipeline is None:
            return
        self.pipeline.event(
            Event(
                kind=kind,
                severity=severity,
                metric=metric,
                source=f"health:{source}",
                message=message,
                time_ns=time.time_ns(),
                monotonic_ns=time.monotonic_ns(),
                step=self.steps.count or None,
                epoch=self.steps.epoch,
                evidence=evidence,
                advice=advice,
            ),
            alert=alert,
        )

    def _say_status(self, reason: str, eta_ns: int | None = None) -> None:
        if self.pipeline is None:
            return
        self.pipeline.status(
            Status(
                state=self._state,
                time_ns=time.time_ns(),
                monotonic_ns=time.monotonic_ns(),
                pid=self._pid,
                step=self.steps.count or None,
                epoch=self.steps.epoch,
                reason=reason,
                eta_ns=eta_ns,
            )
        )

    def _every(self, what: str, seconds: float, now: float) -> bool:
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + seconds
        return True

    def _broke(self, error: Exception) -> None:
        self.broken = f"{type(error).__name__}: {error}"
