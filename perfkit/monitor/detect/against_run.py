"""What another run lets expect of this one: for `perfkit monitor run --baseline RUN`."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ..history import UNKNOWN
from . import expectation
from .policy import plan
from .watch import STEP_TIME

if TYPE_CHECKING:
    from ..history import History, Series
    from .base import Side
    from .expectation import Expectation


def expectations(history: History) -> dict[str, Expectation]:
    """Of each series of steps that says how well the run went: its speed and its training figures. Stages and rates, which are parts of
    the step's time or the same once more, are left out, and series that are too short to know their spread.
    """
    found = {}
    for name in history:
        side = _side(name, history)
        if side is None:
            continue
        expected = expectation.baseline(history.series(name))
        found[name] = replace(expected, side=side)
    return found


def levels(history: History) -> dict[str, float]:
    """The median of each series: what "baseline" means in an alert's rule."""
    values = {name: history[name] for name in history}
    return {
        name: float(np.median(seen)) for name, series in values.items() if (seen := series[np.isfinite(series)]).size
    }


def _side(name: str, history: History) -> Side | None:
    series = history.series(name)
    if int(np.isfinite(series.values).sum()) < expectation.LEAST or _is_part(name, history):
        return None
    found = plan(name, per_epoch=_per_epoch(series), positive=bool(series.values[0] > 0))
    if found is None or not found.charts or found.side == "both":
        return None
    return found.side


def _is_part(name: str, history: History) -> bool:
    split = name.partition("/")[0]
    return split not in ("perf", "train") or (split == "perf" and STEP_TIME in history and name != STEP_TIME)


def _per_epoch(series: Series) -> bool:
    return bool(np.all(series.steps == UNKNOWN) and np.any(series.epochs != UNKNOWN))
