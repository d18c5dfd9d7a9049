"""Asks a running job for something through its control folder, and waits for the answer."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from ..errors import RunError, UsageError
from . import layout
from .reader import RankRecording, Run, read_jsonl
from .status import outcome

if TYPE_CHECKING:
    from pathlib import Path

POLL_S = 0.2


def trace_window(run: Run, *, wait_s: float = 120.0) -> Path:
    """Ask *run* for one more trace window; returns the trace's path once it is whole.

    Raises UsageError when it cannot be had of this run, with the reason, and RunError when none comes in
    time.
    """
    _refuse(run)
    before = {recording.name: len(_windows(recording)) for recording in run.ranks}
    request = run.path / layout.CONTROL / layout.CONTROL_TRACE
    try:
        request.parent.mkdir(exist_ok=True)
        request.touch()
    except OSError as error:
        raise RunError(f"{request}: cannot ask for a trace window: {error.strerror}") from error
    try:
        return _wait(run, before, time.monotonic() + wait_s, wait_s)
    finally:
        request.unlink(missing_ok=True)


def _refuse(run: Run) -> None:
    """Raise UsageError when no window can come."""
    state = outcome(run)
    if not state.running:
        raise UsageError(f"{run.info.id} has {state.status}: a trace window needs a running job")
    if run.info.options.get("no_trace"):
        raise UsageError(f"{run.info.id} was started with --no-trace: start it again without that, or with --trace-at")
    for recording in run.ranks:
        for window in _windows(recording):
            if window.get("state") == "barred":
                raise UsageError(f"{run.info.id} cannot open a trace window: {window.get('reason')}")


def _wait(run: Run, before: dict[str, int], deadline: float, wait_s: float) -> Path:
    while time.monotonic() < deadline:
        for recording in Run(run.path).ranks:
            for window in _windows(recording)[before.get(recording.name, 0) :]:
                return _answer(recording, window)
        state = outcome(Run(run.path))
        if not state.running:
            raise RunError(f"{run.info.id} has {state.status} before a step boundary came")
        time.sleep(POLL_S)
    raise RunError(f"{run.info.id} came to no step boundary within {wait_s:.0f} s; wait longer with --wait 10m")


def _answer(recording: RankRecording, window: dict[str, Any]) -> Path:
    if not window.get("file"):
        raise RunError(f"{recording.name} opened no trace window: {window.get('reason') or 'it says no reason'}")
    return recording.path / str(window["file"])


def _windows(recording: RankRecording) -> list[dict[str, Any]]:
    lines = read_jsonl(recording.path / layout.FACTS)
    return [line for line in lines if line.get("fact") == "window"]
