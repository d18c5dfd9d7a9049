"""An estimator works on one core although it could use more.

Speaks when a scikit-learn estimator whose work divides by itself (trees of a forest, folds and candidates of a search, neighbours,
classes) was fitted or asked with n_jobs=1 or none for at least 10 % of the run and a second, on one core, while more were free.
Cure: n_jobs=-1.

How the gain is told. Divided among c cores the work takes between 1/c of its time and that times what a core was measured to lose
beside busy ones (1.3 where that was not measured), plus 15 % for parts that do not divide and a second for starting processes. It is a part of the
whole run.

It is silent where n_jobs is set, on one core, where the threads of linear algebra keep more than one core busy already, and where other programs
have the cores.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Finding, Interval
from ..staged import outer
from ..what_if import ms, percent

NEEDS_STEPS = False
# Less than this is soon over anyhow.
MIN_SHARE, MIN_SECONDS = 0.10, 1.0
# Work on one core, with what the kernel's accounting adds.
ONE_CORE = 1.3
# Cores that others leave free for it to be worth it.
MIN_FREE = 1.5
SLOWER_ASSUMED = 1.3
# Of it, what does not divide; and the start of worker processes, in s: assumed.
UNDIVIDED, START_S = 0.15, 1.0
# Of scikit-learn 1.9: classes whose n_jobs divides fit or predict. (That of linear models divides classes only, and often nothing.)
DIVIDES = re.compile(r"^(RandomForest|ExtraTrees|RandomTrees|Bagging|GridSearchCV|RandomizedSearchCV|HalvingGridSearchCV|HalvingRandomSearchCV|"
                     r"KNeighbors|RadiusNeighbors|NearestNeighbors|IsolationForest|OneVsRest|OneVsOne|Voting|Stacking|RFECV|MultiOutput|"
                     r"LocalOutlierFactor|DBSCAN|SequentialFeatureSelector|FeatureUnion|ColumnTransformer)")  # fmt: skip
LINK = "https://scikit-learn.org/stable/computing/parallelism.html"

Row = dict[str, Any]


def check(
    stages: list[Row], cores: int, others_cores: float | None = None, cpu_peaks: Row | None = None
) -> Finding | None:
    """Judge the stage that takes longest of those that could be divided."""
    free = cores - (others_cores or 0.0)
    found = _longest(stages)
    if found is None or free < MIN_FREE:
        return None
    measured = (cpu_peaks or {}).get("crowded")
    slower = max(measured.values()) if measured else SLOWER_ASSUMED
    seconds, whole = found["seconds"], found["seconds"] / found["share"]
    best = seconds / cores
    worst = min(seconds, best * slower + UNDIVIDED * seconds + START_S)
    gain = Interval(low=(seconds - worst) / whole, high=(seconds - best) / whole)
    if gain.low <= 0:
        return None
    name = found["name"].partition(".")[0]
    return Finding(
        rule="n_jobs",
        cause="threads",
        title=f"Let {name} use all cores",
        evidence={
            found["name"]: f"{ms(seconds)} of the {ms(whole)} run ({percent(found['share'])})",
            "n_jobs": "not set" if found["n_jobs"] is None else found["n_jobs"],
            "cores": f"one of {cores} in use",
        },
        saves=gain,
        basis="run",
        confidence="medium",
        fix=None,
        how=f"{name}(..., n_jobs=-1)",
        links=[LINK],
    )


def _longest(stages: list[Row]) -> Row | None:
    """The outermost of nested ones: who divides it divides what is in it."""
    found = outer(stages, lambda row, top: _is_single(top) and _could_divide(row))
    return max(found, key=lambda row: row["seconds"], default=None)


def _is_single(top: Row) -> bool:
    return bool((top["cpu_seconds"] or 0.0) <= ONE_CORE * top["seconds"])


def _could_divide(row: Row) -> bool:
    is_long = (row["share"] or 0.0) >= MIN_SHARE and row["seconds"] >= MIN_SECONDS
    return is_long and row["n_jobs"] in (None, 1) and bool(DIVIDES.match(row["name"]))
