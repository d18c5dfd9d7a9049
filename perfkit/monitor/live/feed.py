"""Steps and samples into the pipeline: how many points, with which names, at what time."""

from __future__ import annotations

import time
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline import Pipeline
    from .steps import Step


class Feed:
    """Knows what was told last, so that a learning rate is told only where it changes."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._rate: float | None = None

    def utc_ns(self, monotonic_ns: int) -> int:
        """A moment of CLOCK_MONOTONIC as UTC ns, by the clocks as they stood at the start."""
        return monotonic_ns + self._offset_ns

    def steps(self, steps: Sequence[Step], points: int) -> None:
        """Tell *steps*, in at most so many points; an epoch's end always ends one."""
        for group in _groups(steps, points):
            values = _means(group)
            rate = group[-1].learning_rate
            if rate is not None and rate != self._rate:
                self._rate = values["train/learning_rate"] = rate
            last = group[-1]
            self._pipeline.values(values, step=last.number, epoch=last.epoch, time_ns=self.utc_ns(last.end_ns))

    def sample(self, values: dict[str, float], step: int | None, epoch: int | None) -> None:
        """Tell what the samplers saw, beside the last step."""
        if values:
            self._pipeline.values(values, step=step, epoch=epoch)


def _groups(steps: Sequence[Step], points: int) -> list[Sequence[Step]]:
    if len(steps) <= points:
        return [[step] for step in steps]
    cuts = {round(cut) for cut in np.linspace(0, len(steps), points + 1)}
    cuts |= {i for i in range(1, len(steps)) if steps[i].epoch != steps[i - 1].epoch}
    at = sorted(cuts)
    return [steps[a:b] for a, b in pairwise(at)]


def _means(group: Sequence[Step]) -> dict[str, float]:
    values: dict[str, float] = {}
    losses = [step.loss for step in group if step.loss is not None]
    if losses:
        values["train/loss"] = sum(losses) / len(losses)
    seconds = sum(step.duration_ns for step in group) / 1e9
    values["perf/step_time_s"] = seconds / len(group)
    for name, amount in (("samples", "samples"), ("tokens", "tokens")):
        known = [step for step in group if getattr(step, amount) is not None]
        over = sum(step.duration_ns for step in known) / 1e9
        if known and over > 0:
            values[f"perf/{name}_per_s"] = sum(getattr(step, amount) for step in known) / over
    return values
