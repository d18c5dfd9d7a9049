"""What the guest saw of models, optimizers and settings, completed by what it saw later and by the marks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ..model import marks

if TYPE_CHECKING:
    import polars as pl

    from ..runs.reader import RankRecording

Row = dict[str, Any]


def model(fact: Row, recording: RankRecording, steps: pl.DataFrame | None) -> Row:
    """A model's fact, with what held at its calls: ``autocast`` and ``grad_enabled``."""
    share = _grad_share(fact["id"], recording, steps)
    return {**fact, "autocast": _autocast(fact, recording), "grad_enabled": share}


def _autocast(fact: Row, recording: RankRecording) -> str | None:
    """The type seen last at calls with gradients (calls of an evaluation may be without), else at any, else at the first."""
    noted = recording.facts_of("autocast")
    chosen = [note["dtype"] for note in noted if note.get("grad")] or [note["dtype"] for note in noted]
    found = next((dtype for dtype in reversed(chosen) if dtype), None) if chosen else fact.get("autocast")
    return str(found) if found is not None else None


def _grad_share(model_id: int, recording: RankRecording, steps: pl.DataFrame | None) -> float | None:
    from ..analyze.intervals import decode, intervals
    from ..analyze.occasions import steady_steps, step_of

    calls = intervals(decode(recording.marks), marks.FORWARD_ENTER)
    calls = calls.where(calls.obj == model_id)
    if steps is not None and len(steady := steady_steps(steps)):
        calls = calls.where(step_of(calls.start_ns, steady) >= 0)
    return float(np.mean((calls.enter_a & marks.FLAG_GRAD) > 0)) if len(calls) else None


def optimizer(fact: Row, recording: RankRecording) -> Row:
    """An optimizer's fact, with the ``state_bytes`` that were seen last."""
    found = None
    for settings in recording.facts_of("torch"):
        for state in settings.get("optimizer_states", ()):
            found = state["bytes"] if state["id"] == fact["id"] else found
    return {**fact, "state_bytes": found}


def torch(fact: Row, recording: RankRecording) -> Row:
    """The settings, with those that held inside steps in their place."""
    noted = recording.facts_of("autograd")
    inside = noted[-1] if noted else {}
    anomaly = inside.get("anomaly_detection", fact.get("anomaly_detection"))
    return {**fact, "anomaly_detection": anomaly, "autograd_profiler": inside.get("profiler")}
