"""When Python stacks are sampled: never while steps are timed or a trace window is open.

*startup*  from the start until the first process steps: imports, data preparation, the first model. A
script that
           never steps is sampled to its end, but at most STARTUP_S; then in short windows ever further apart.
*steady*   a second, once the guest has said that its trace window has closed (or there will be none), and
           three more when the run is a minute old: each step that they touch is lost to the headline.

``stacks.json`` lists the windows (CLOCK_MONOTONIC) so that analysis keeps the steps that they touch out of
the headline: ``{"windows": [{"name", "start_ns", "end_ns", "rate_hz", "file", "samples", "errors"}]}``;
``end_ns`` is null while a window is open.
"""

from __future__ import annotations

import json
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from ..model.records import Collector, CollectorState
from ..runs import layout
from . import pyspy, windows

STARTUP_HZ = 25  # 20-50 is cheap; more slows the script when it has many threads
STARTUP_S = 60.0
LATER_S = 3.0
# A window that only sizes the trace is followed by the real one at the next step.
SETTLE_S = 0.3
# Without word of a trace window: when none is wanted, and when one may yet come.
UNTRACED_S = 5.0
UNSEEN_S = 60.0
# py-spy finds no Python in the first moments of a process (or under a shell): it is asked again.
RETRY_S = 0.5
GIVE_UP_AFTER = 8
STOP_TIMEOUT_S = 0.5
FIRST_STEP_LOOK_S = 0.05
LOOK_S = 0.25
# In control/ while a window is open, so that a guest can wait with its trace window.
SAMPLING = layout.CONTROL_SAMPLING


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A window among the steps, and how old the run must be for it."""

    name: str
    duration_s: float
    rate_hz: int
    age_s: float


STEADY = (
    Plan(name="steady", duration_s=1.0, rate_hz=50, age_s=0.0),
    Plan(name="steady-2", duration_s=3.0, rate_hz=50, age_s=60.0),
)


@dataclass(frozen=True, kw_only=True)
class Window:
    """An entry of stacks.json."""

    name: str
    start_ns: int
    end_ns: int | None
    rate_hz: int
    file: str
    samples: int = 0
    errors: int = 0


class StackSampler:
    """Opens and closes the windows. `tick` is called from the supervisor's loop and never waits."""

    def __init__(self, run: Path, pid: int, *, traced: bool) -> None:
        self._run, self._pid, self._traced = run, pid, traced
        self._program = pyspy.find()
        self._spy: pyspy.PySpy | None = None
        self._windows: list[Window] = []
        self._failures: list[str] = []
        self._broken = None if self._program else "py-spy is not installed beside perfkit or on PATH"
        self._next = 0.0
        self._begun = time.monotonic()
        self._stepping_since: float | None = None
        self._steady_done = 0
        self._later = 0

    def tick(self) -> None:
        """Look at the clock and at the run, and open or close a window if it is time."""
        if self._broken:
            if self._spy is not None:
                self._spy.interrupt()
            return
        if time.monotonic() < self._next:
            return
        # The first step must find no sampler at work; later a look costs a reading of the ranks' files.
        self._next = time.monotonic() + (FIRST_STEP_LOOK_S if self._stepping_since is None else LOOK_S)
        if self._stepping_since is None and windows.rank_folders(self._run):
            self._stepping_since = time.monotonic()
        if self._spy is not None:
            self._mind()
        else:
            self._maybe_open()

    def finish(self) -> Collector:
        """Close what is open, without keeping anyone waiting, and say what became of it."""
        if self._spy is not None:
            self._spy.interrupt()
            self._take(STOP_TIMEOUT_S)
        return Collector(name="stacks", state=self._state(), reason=self._reason())

    def _mind(self) -> None:
        assert self._spy is not None
        if self._spy.ended():
            self._take(0)
        elif self._in_the_way():
            self._spy.interrupt()
            self._next = 0.0  # so that the window is closed as soon as it has ended

    def _in_the_way(self) -> bool:
        if self._name().startswith("steady"):
            return windows.trace_is_open(self._run)
        return self._stepping_since is not None

    def _maybe_open(self) -> None:
        if self._stepping_since is not None:
            self._maybe_open_steady(time.monotonic() - self._stepping_since)
        elif not self._windows:
            self._open("startup", STARTUP_S, STARTUP_HZ)
        elif time.monotonic() - self._begun > STARTUP_S * 2**self._later:
            self._later += 1
            self._open(f"later-{self._later}", LATER_S, STARTUP_HZ)

    def _maybe_open_steady(self, stepping_s: float) -> None:
        if self._steady_done == len(STEADY):
            return
        plan = STEADY[self._steady_done]
        if time.monotonic() - self._begun >= plan.age_s and self._may_disturb(stepping_s):
            self._steady_done += 1
            self._open(plan.name, plan.duration_s, plan.rate_hz)

    def _may_disturb(self, stepping_s: float) -> bool:
        state, age_s = windows.last_trace(self._run)
        if state == "barred":
            return False
        waited = stepping_s >= (UNSEEN_S if self._traced else UNTRACED_S) if state is None else age_s >= SETTLE_S
        return waited and not windows.trace_is_open(self._run)

    def _open(self, name: str, duration_s: float, rate_hz: int) -> None:
        assert self._program is not None
        try:
            self._spy = pyspy.PySpy(self._program, self._pid, rate_hz=rate_hz, duration_s=duration_s)
        except OSError as error:
            self._broken = f"py-spy could not be started: {error.strerror}"
            return
        file = f"stacks-{name}.txt"
        start_ns = self._spy.started_ns
        self._windows.append(Window(name=name, start_ns=start_ns, end_ns=None, rate_hz=rate_hz, file=file))
        self._write_index()
        self._touch(SAMPLING, exists=True)

    def _take(self, timeout_s: float) -> None:
        assert self._spy is not None
        self._spy.wait(timeout_s)
        end_ns = time.monotonic_ns()
        self._touch(SAMPLING, exists=False)
        sampled, opened = self._spy.result(), self._windows.pop()
        self._spy = None
        if sampled.interrupted_early:
            # Asked to end before it had begun: no window, and no failure.
            self._steady_done -= opened.name.startswith("steady")
        elif sampled.failure is not None:
            self._failures.append(sampled.failure)
            self._after_failure(opened)
        else:
            self._windows.append(
                Window(
                    **{
                        **asdict(opened),
                        "end_ns": end_ns,
                        "samples": sampled.samples,
                        "errors": sampled.errors,
                    }
                )
            )
            self._write(opened.file, sampled.text)
        self._write_index()

    def _after_failure(self, opened: Window) -> None:
        if opened.name.startswith("steady"):
            self._steady_done = len(STEADY) if len(self._failures) >= GIVE_UP_AFTER else self._steady_done - 1
        if len(self._failures) >= GIVE_UP_AFTER and not self._windows:
            self._broken = self._failures[-1]
        self._next = time.monotonic() + RETRY_S * len(self._failures)

    def _write_index(self) -> None:
        index = {"windows": [asdict(window) for window in self._windows]}
        self._write(layout.STACKS_INDEX, json.dumps(index, indent=1) + "\n")

    def _touch(self, name: str, *, exists: bool) -> None:
        file = self._run / layout.CONTROL / name
        with suppress(OSError):  # a word to the guest, not a result: a full disk will show elsewhere
            if exists:
                file.touch()
            else:
                file.unlink(missing_ok=True)

    def _write(self, name: str, text: str) -> None:
        scratch = self._run / f".{name}.tmp"
        try:
            scratch.write_text(text, encoding="utf-8")
            scratch.replace(self._run / name)
        except OSError as error:
            self._broken = f"cannot write {name}: {error.strerror}"
            scratch.unlink(missing_ok=True)

    def _name(self) -> str:
        return self._windows[-1].name

    def _state(self) -> CollectorState:
        closed = [window for window in self._windows if window.end_ns is not None]
        if self._broken or (self._failures and not closed):
            return "failed" if self._program else "off"
        return "on" if closed else "off"

    def _reason(self) -> str:
        if self._broken:
            return self._broken
        closed = [window for window in self._windows if window.end_ns is not None]
        if closed:
            told = ", ".join(f"{w.name} {w.samples} samples at {w.rate_hz} Hz" for w in closed)
            return f"py-spy from outside, off the timed steps: {told}"
        return self._failures[-1] if self._failures else "the command ended before a window was opened"
