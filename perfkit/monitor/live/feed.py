"""Steps and samples into the pipeline: how many points, with which names, at what time."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..pipeline import Pipeline
    from .script_logs import Said
    from .steps import Step


# So many of the last steps are remembered, to know at which one a line was printed.
REMEMBERED = 4096


class Feed:
    """Knows what was told last: a learning rate is told only where it changes, and what perfkit measures is not told again by a log."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._offset_ns = time.time_ns() - time.monotonic_ns()
        self._rate: float | None = None
        self._measured: set[str] = set()
        self._recent: deque[Step] = deque(maxlen=REMEMBERED)

    def utc_ns(self, monotonic_ns: int) -> int:
        """A moment of CLOCK_MONOTONIC as UTC ns, by the clocks as they stood at the start."""
        return monotonic_ns + self._offset_ns

    def tell(self, steps: Sequence[Step], said: Sequence[Said], points: int) -> None:
        """Tell *steps* in at most so many points (an epoch's end always ends one), and between them what the script *said*."""
        self._recent.extend(steps)
        placed = [(self._step_of(one), one) for one in said]
        for group in _groups(steps, points):
            self._tell_group(group)
            here = [one for step, one in placed if step is not None and step.number <= group[-1].number]
            self._tell_said(here, group[-1], points)
            placed = placed[len(here) :]
        self._tell_said([one for _, one in placed], self._recent[-1] if self._recent else None, points)

    def _tell_group(self, group: Sequence[Step]) -> None:
        values, last = _means(group), group[-1]
        if last.learning_rate is not None and last.learning_rate != self._rate:
            self._rate = values["train/learning_rate"] = last.learning_rate
        self._measured.update(values)
        self._pipeline.values(values, step=last.number, epoch=last.epoch, time_ns=self.utc_ns(last.end_ns))

    def _tell_said(self, said: Sequence[Said], step: Step | None, points: int) -> None:
        """Points of their own, several lines sharing one as long as no metric comes twice; of more than *points* an even selection."""
        shared = _shared(said, self._measured)
        for index in sorted({round(at) for at in np.linspace(0, len(shared) - 1, min(points, len(shared)))}):
            values, last = shared[index]
            number, epoch = (last.step, last.epoch) if step is None else (step.number, step.epoch or last.epoch)
            self._pipeline.values(values, step=number, epoch=epoch, time_ns=self.utc_ns(last.at_ns))

    def _step_of(self, one: Said) -> Step | None:
        """The step after which a line was printed, some time between two looks: where an epoch ended between them, its last."""
        if not self._recent:
            return None
        early, late = (max(0, bisect_right(self._recent, at, key=_end) - 1) for at in (one.since_ns, one.at_ns))
        while late > early and self._recent[late].epoch != self._recent[early].epoch:
            late -= 1
        return self._recent[late]

    def sample(self, values: dict[str, float], step: int | None, epoch: int | None) -> None:
        """Tell what the samplers saw, beside the last step."""
        if values:
            self._pipeline.values(values, step=step, epoch=epoch)


def _shared(said: Sequence[Said], measured: set[str]) -> list[tuple[dict[str, float], Said]]:
    """Values of successive lines put together, and the last of each; without those that are measured."""
    made: list[tuple[dict[str, float], Said]] = []
    for one in said:
        values = {name: value for name, value in one.values.items() if name not in measured}
        if not values:
            continue
        if made and not values.keys() & made[-1][0].keys():
            made[-1] = (made[-1][0] | values, one)
        else:
            made.append((values, one))
    return made


def _end(step: Step) -> int:
    return step.end_ns


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
