"""A pipeline as a chain of stages whose costs add up to the whole: what each costs, and which one has become dearer.

Σ_j amount_ij · cost_j + rest_i = total_i over runs, epochs or windows of steps i, costs not negative. Source: Lawson and Hanson, Solving
Least Squares Problems (1974), ch. 23; intervals by resampling blocks of rows (Künsch, Annals of Statistics 17 (1989)).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ...errors import UsageError

#: Resamples behind an interval, and its confidence.
RESAMPLES, CONFIDENCE = 200, 0.95


@dataclass(frozen=True, kw_only=True)
class StageCost:
    """What one unit of a stage's amount costs, in the unit of the totals."""

    name: str
    cost: float
    low: float
    high: float


@dataclass(frozen=True, kw_only=True)
class Stages:
    """Costs that were solved for. ``residual_share`` is what they leave unexplained: √Σ rest² / √Σ total²."""

    costs: tuple[StageCost, ...]
    residual_share: float
    rows: int
    #: Resampled costs, shape (RESAMPLES, stages).
    resampled: NDArray[np.float64]

    def __getitem__(self, name: str) -> StageCost:
        return next(stage for stage in self.costs if stage.name == name)


@dataclass(frozen=True, kw_only=True)
class Degraded:
    """The stage that has become dearer, and by how much per row (its usual amount times what a unit costs more)."""

    stage: str
    before: float
    after: float
    #: Ratio of the costs, with its interval.
    ratio: float
    low: float
    high: float
    #: Its part of what the whole takes longer, 0 to 1.
    share: float


def solve(amounts: Mapping[str, ArrayLike], totals: ArrayLike, *, block: int = 1, seed: int = 0) -> Stages:
    """The cost of each stage from its *amounts* (shape (rows,) each: batches, tokens, checkpoints …) and the rows' *totals*.

    *block* rows that follow each other are resampled together: more than 1 where neighbours are alike. Raises UsageError where the
    amounts cannot tell the stages apart.
    """
    from scipy.optimize import nnls
    from scipy.special import stdtrit

    names = list(amounts)
    matrix = np.column_stack([np.asarray(amounts[name], dtype=np.float64) for name in names])
    whole = np.asarray(totals, dtype=np.float64)
    _checked(matrix, whole, names)
    costs, rest = nnls(matrix, whole)
    rng = np.random.default_rng(seed)
    resampled = np.array([nnls(matrix[rows], whole[rows])[0] for rows in _resamples(whole.size, block, rng)])
    # Student's quantile over the resamples' spread, which falls short by √((n − k) / n): steadier than quantiles of few resamples.
    free = whole.size - len(names)
    half = float(stdtrit(free, (1 + CONFIDENCE) / 2)) * resampled.std(axis=0) * np.sqrt(whole.size / free)
    low, high = np.maximum(costs - half, 0.0), costs + half
    return Stages(
        costs=tuple(
            StageCost(name=name, cost=float(costs[j]), low=float(low[j]), high=float(high[j]))
            for j, name in enumerate(names)
        ),
        residual_share=float(rest / max(float(np.linalg.norm(whole)), 1e-300)),
        rows=whole.size,
        resampled=resampled,
    )


def _checked(matrix: NDArray[np.float64], whole: NDArray[np.float64], names: Sequence[str]) -> None:
    rows, stages = matrix.shape
    if rows != whole.size or rows <= stages:
        raise UsageError(
            f"{rows} rows for {stages} stages and {whole.size} totals; give more rows than stages, as many as totals"
        )
    scaled = matrix / np.maximum(np.linalg.norm(matrix, axis=0), 1e-300)
    if np.linalg.matrix_rank(scaled, tol=1e-6) < stages:
        raise UsageError(
            f"the amounts of {', '.join(names)} always go together, so their costs cannot be told apart; "
            "join stages, or take rows in which they differ"
        )


def _resamples(rows: int, block: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Row numbers, shape (RESAMPLES, rows): blocks that wrap around."""
    pieces = ceil(rows / block)
    starts = rng.integers(0, rows, size=(RESAMPLES, pieces))
    whole = (starts[:, :, np.newaxis] + np.arange(block)) % rows
    taken: NDArray[np.int64] = whole.reshape(RESAMPLES, -1)[:, :rows]
    return taken


def degraded(before: Stages, after: Stages, usual: Mapping[str, float]) -> Degraded | None:
    """The stage that accounts for most of what the whole has become dearer, if it certainly has; *usual* are amounts of one row."""
    names = [stage.name for stage in before.costs]
    weights = np.array([usual[name] for name in names])
    more = (np.array([after[name].cost for name in names]) - np.array([before[name].cost for name in names])) * weights
    worst = int(np.argmax(more))
    difference = after.resampled[:, worst] - before.resampled[:, worst]
    tail = (1 - CONFIDENCE) / 2
    if more[worst] <= 0 or np.quantile(difference, tail) <= 0:
        return None
    base = np.maximum(before.resampled[:, worst], 1e-300)
    low, high = np.quantile(after.resampled[:, worst] / base, [tail, 1 - tail])
    costs = before.costs[worst].cost, after.costs[worst].cost
    return Degraded(
        stage=names[worst],
        before=costs[0],
        after=costs[1],
        ratio=costs[1] / costs[0] if costs[0] > 0 else float("inf"),
        low=float(low),
        high=float(high),
        share=float(more[worst] / more[more > 0].sum()),
    )


def blame(before: Mapping[str, ArrayLike], after: Mapping[str, ArrayLike], total: str) -> tuple[str, float] | None:
    """Where stages are measured beside their *total*: which one's median rose most, and the share of the total's rise that it is.

    None where the total did not rise, or no stage did.
    """
    rise = {name: float(np.median(np.asarray(after[name])) - np.median(np.asarray(before[name]))) for name in before}
    whole = rise.pop(total, 0.0)
    if whole <= 0 or not rise:
        return None
    worst = max(rise, key=lambda name: rise[name])
    return (worst, min(1.0, rise[worst] / whole)) if rise[worst] > 0 else None
