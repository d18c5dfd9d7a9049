"""`perfkit monitor run` as one call: the script under the supervisor, watched, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ...errors import UsageError
from ...launch import supervise
from ...launch.command import typed
from ...launch.privacy import mask_command
from ..pipeline import Pipeline
from .watcher import Wanted, Watcher

if TYPE_CHECKING:
    from pathlib import Path

    from ...launch.request import Outcome, Request
    from ..history import History
    from .asked import Asked


@dataclass(frozen=True, kw_only=True)
class Monitored:
    """What came of a monitored run."""

    outcome: Outcome
    #: The pipeline with its history and events; None where nothing could be recorded.
    pipeline: Pipeline | None
    #: Why the watching ended before the run did; "" where it did not.
    broken: str = ""


def monitor(request: Request, asked: Asked, *, announce: supervise.Announce = lambda _line: None) -> Monitored:
    """Run *request* to its end and watch it. No trace window unless ``options["no_trace"]`` is False.

    Raises as `supervise.profile` does. Call it in the main thread, before others are started.
    """
    request = replace(request, options={"no_trace": True, **request.options, "stream": True})
    wanted = Wanted(
        hang_after_s=asked.hang_after_s,
        total_steps=asked.total_steps,
        total_epochs=asked.total_epochs,
        log_files=asked.log_files,
        tee=asked.tee,
    )
    baseline = _recorded(asked.baseline)
    watcher = Watcher(lambda run: opened(run, asked, mask_command(typed(request)), baseline), wanted)
    outcome = supervise.profile(request, announce=announce, surroundings=watcher)
    watcher.close()
    if watcher.untold:
        announce(f"warning: {watcher.untold}")
    if watcher.broken:
        announce(f"warning: monitoring ended early: {watcher.broken}")
    if watcher.pipeline is not None and watcher.pipeline.writer.failure:
        announce(f"warning: the record is incomplete: {watcher.pipeline.writer.failure}")
    return Monitored(outcome=outcome, pipeline=watcher.pipeline, broken=watcher.broken)


def opened(run: Path, asked: Asked, command: list[str], baseline: History | None = None) -> Pipeline:
    """The pipeline of *run*; *command* is what was run, as advice may repeat it. What sinks cannot take is kept beside the runs, for the next process."""
    from ..alerts.opening import open_alerter
    from ..detect.against_run import expectations, levels
    from ..detect.watch import Watch

    alerter = open_alerter(run, asked.rules, asked.sinks, baseline=levels(baseline) if baseline else None)
    expected = expectations(baseline) if baseline else None
    return Pipeline(run, watch=Watch(command=command, expected=expected) if asked.detect else None, alerter=alerter)


def _recorded(run: Path | None) -> History | None:
    """What a run recorded. Raises UsageError where that lets nothing be expected."""
    from ..detect.against_run import expectations
    from ..detect.expectation import LEAST
    from ..record import read

    if run is None:
        return None
    history = read(run).history
    if not expectations(history):
        raise UsageError(
            f"--baseline {run.name}: it recorded no loss or step time of {LEAST} steps; record them: perfkit monitor run SCRIPT"
        )
    return history
