"""How a monitored run stands, from its record, its description and what is true of its processes now.

The record alone can mislead: who writes it may have been killed. So it is asked who still lives, and the answer says what is
known and no more. "lost" is a run of which there is no sign of life and no end.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...model import marks
from ...model.monitoring import Alert, RunState
from ...runs import layout
from ...runs import status as processes
from .. import record
from .ends import exception_of
from .steps import LiveSteps
from .watcher import HEARTBEAT_S

if TYPE_CHECKING:
    from pathlib import Path

    from ...model.monitoring import Status
    from ...runs.reader import Run

ENDED: tuple[RunState, ...] = ("finished", "failed", "killed", "lost")
# So long after the last heartbeat nobody is writing the record any more.
SILENT_S = 3 * HEARTBEAT_S
# Steps of a recording of at most this size are counted where the record does not tell them: a second's work.
MOST_MARKS_BYTES = 64 * 2**20
_HEADER_BYTES = marks.HEADER_WORDS * marks.WORD_BYTES
_MARK_BYTES = marks.MARK_WORDS * marks.WORD_BYTES
_LAST_MARKS = 64
_FAR_NS = 1 << 62  # every loss that will come has come


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What is known about a run now."""

    run: str
    state: RunState
    #: Why, where the state alone does not say.
    reason: str = ""
    #: What else should be known about the answer: who watches, what is missing.
    note: str = ""
    step: int | None = None
    epoch: int | None = None
    #: UTC ns of the last thing that was seen of it; None where nothing was.
    last_sign_ns: int | None = None
    #: Expected end, UTC ns.
    eta_ns: int | None = None
    firing: tuple[Alert, ...] = field(default=())
    exit_code: int | None = None

    @property
    def over(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ENDED


def standing(run: Run, *, now_ns: int | None = None) -> Standing:
    """How *run* stands; *now_ns* is UTC. Raises RunError when it cannot be read."""
    found = record.read(run.path)
    now = time.time_ns() if now_ns is None else now_ns
    last = found.statuses[-1] if found.statuses else None
    known: dict[str, Any] = {"run": run.info.id, "firing": firing(found.alerts), "exit_code": run.info.exit_code}
    points = [found.history.series(name) for name in found.history]
    steps = [int(series.steps[-1]) for series in points if len(series)]
    known["step"] = max([*steps, (last and last.step) or 0]) or None
    epochs = [int(series.epochs[-1]) for series in points if len(series)]
    known["epoch"] = max([*epochs, (last and last.epoch) or 0]) or None
    told_ns = max([*(int(s.times_ns[-1]) for s in points if len(s)), last.time_ns if last else 0])
    seen_ns = max(_last_mark_ns(run), told_ns)
    known["last_sign_ns"] = seen_ns or None
    state, reason, note = _judged(run, last, now)
    if last is None or last.state not in ENDED:  # the record may have ended before the script did
        known["step"] = max(known["step"] or 0, _steps_in_marks(run)) or None
    eta = last.eta_ns if last is not None and state in ("running", "hanging") else None
    return Standing(state=state, reason=reason, note=note, eta_ns=eta, **known)


def firing(alerts: list[Alert]) -> tuple[Alert, ...]:
    """The alerts whose last word was that they fire."""
    last = {(alert.rule, alert.metric): alert for alert in alerts}
    return tuple(alert for alert in last.values() if alert.state == "firing")


def _judged(run: Run, last: Status | None, now_ns: int) -> tuple[RunState, str, str]:
    """State, reason and note."""
    if last is not None and last.state in ENDED:
        return last.state, last.reason, ""
    outcome = processes.outcome(run)
    if run.info.status != "running":
        return run.info.status, _why(run), "the record does not say how it ended (a full disk?); run.json does"
    if outcome.status == "running":
        return _going(last, outcome.note or "", now_ns)
    if (exception := exception_of(run.path, run.info.pid)) is not None:
        return "failed", str(exception["exception"]), "perfkit was ended first, so the exit code is unknown"
    if outcome.status == "finished":
        return "finished", "", outcome.note or ""
    return "lost", "neither the script nor perfkit is there any more, and no end was seen", ""


def _going(last: Status | None, note: str, now_ns: int) -> tuple[RunState, str, str]:
    state: RunState = last.state if last is not None else "starting"
    silent_s = (now_ns - last.time_ns) / 1e9 if last is not None else 0.0
    if note.startswith("perfkit itself"):
        return "running", "", f"{note}; nobody has watched it for {silent_s:.0f} s"
    if silent_s <= SILENT_S:
        return state, last.reason if last is not None else "", note
    if note:  # another machine's, or packed: only the record can tell
        return "lost", f"no heartbeat for {silent_s:.0f} s", note
    return state, last.reason if last is not None else "", f"perfkit has written no heartbeat for {silent_s:.0f} s"


def _why(run: Run) -> str:
    exception = exception_of(run.path, run.info.pid)
    if exception is not None:
        return str(exception["exception"])
    return "" if not run.info.exit_code else f"exit code {run.info.exit_code}"


def _steps_in_marks(run: Run) -> int:
    """Steps that the recording of rank 0 holds; 0 where it has none, or so many that counting them takes long."""
    own = [rank for rank in run.ranks if rank.rank == run.ranks[0].rank]
    steps = LiveSteps()
    for rank in own:
        if _size(rank.path / layout.MARKS) > MOST_MARKS_BYTES:
            return 0
        steps.take(rank.marks, _FAR_NS)
        steps.restart()
    return steps.count


def _last_mark_ns(run: Run) -> int:
    """When a rank last wrote a mark, UTC ns; 0 where none did. Only the end of each file is read."""
    latest = 0
    for rank in run.ranks:
        path = rank.path / layout.MARKS
        whole = (_size(path) - _HEADER_BYTES) // _MARK_BYTES
        if whole <= 0:
            continue
        header = np.fromfile(path, dtype=np.int64, count=marks.HEADER_WORDS)
        first = max(0, whole - _LAST_MARKS)
        found = np.fromfile(
            path, np.int64, (whole - first) * marks.MARK_WORDS, offset=_HEADER_BYTES + first * _MARK_BYTES
        )
        latest = max(latest, int(found[:: marks.MARK_WORDS].max()) - int(header[3]) + int(header[4]))
    return latest


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
