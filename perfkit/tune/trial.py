"""One trial: a fresh process with some fixes, a bounded number of steady steps, and what it said of itself."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ..advise.evidence import Evidence
from ..analyze.memory_samples import endings
from ..launch.fixes import KERAS, KINDS, PYTORCH, TENSORFLOW
from ..runs.reader import Run
from . import figures
from .figures import Figures

if TYPE_CHECKING:
    from pathlib import Path


Row = dict[str, Any]
#: measured: it has a figure, and every fix acted · not-applicable: a fix found nothing to act on, so it says nothing ·
#: failed: the script or a fix broke, it ran out of memory, or no steady steps came · late: its time was up before its steps
#: were steady, which says nothing of how fast they would be.
State = Literal["measured", "not-applicable", "failed", "late"]

BASELINE = "baseline"
OUT_OF_MEMORY_KILL = 137
# Losses that the ledger keeps of one process.
MOST_LOSSES = 200


@dataclass(frozen=True, kw_only=True)
class Trial:
    """What came of one process."""

    arm: str
    round: int
    state: State
    #: Why it is not `measured`; for one that is, how its fixes proved that they acted.
    reason: str
    figures: Figures
    #: The run's id, in the tune's own folder; None when nothing was recorded.
    run: str | None
    exit_code: int
    #: From its start to its end, perfkit's own reading left out.
    wall_s: float

    def row(self) -> Row:
        """As the ledger keeps it."""
        return asdict(self)

    @classmethod
    def from_row(cls, row: Row) -> Trial:
        """The trial that `row` was made of. Raises TypeError or KeyError for something else."""
        found = Figures(**{**row["figures"], "losses": [(at, loss) for at, loss in row["figures"]["losses"]]})
        return cls(**{**row, "figures": found})


class Interrupted(Exception):  # noqa: N818
    """A person wants it to end; the process that ran then counts for nothing."""


def judged(
    path: Path, arm: str, number: int, exit_code: int, wall_s: float, *, broken: str = "", late: bool = False
) -> Trial:
    """The trial that was recorded in *path*; *broken* is what its launcher says went wrong, if anything did;
    *late* whether it was stopped because its time was up.
    """
    found = Run(path)
    evidence = Evidence(found)
    read = figures.read(evidence)
    state, reason = _state(found, read, exit_code, broken, _frameworks(evidence))
    if late and state == "failed" and read.seconds is None:
        state, reason = "late", f"its steps had not settled after {wall_s:.0f} s"
    thinned = replace(read, losses=_thinned(read.losses))
    return Trial(
        arm=arm,
        round=number,
        state=state,
        reason=reason,
        figures=thinned,
        run=path.name,
        exit_code=exit_code,
        wall_s=wall_s,
    )


def _state(run: Run, read: Figures, exit_code: int, broken: str, used: set[str]) -> tuple[State, str]:
    for fix in read.fixes:
        if fix["state"] == "not-applicable":
            return "not-applicable", str(fix.get("reason") or f"{fix['name']} found nothing to act on")
        needed = KINDS[fix["name"]].framework
        if fix["state"] is None and needed not in used and not exit_code and not broken:
            return "not-applicable", f"{fix['name']} is for {needed}, which the script does not use"
    if any(ending.get("memory") for ending in endings(run)):
        return "failed", "out of memory"
    if exit_code or broken:
        how = _how_it_ended(run, exit_code, broken)
        return "failed", f"it breaks the script: {how}" if _raised(run) and _acted(read) else how
    for fix in read.fixes:
        if fix["state"] != "applied":
            return "failed", f"{fix['name']}: {fix.get('reason') or 'it gave no proof that it acted'}"
    if read.seconds is None:
        return "failed", read.problem or "its steps could not be timed"
    return "measured", "; ".join(f"{fix['name']} acted {fix.get('count') or 1} times" for fix in read.fixes)


def _frameworks(evidence: Evidence) -> set[str]:
    found = {PYTORCH: evidence.torch, TENSORFLOW: evidence.tensorflow, KERAS: evidence.keras}
    return {name for name, fact in found.items() if fact is not None}


def _acted(read: Figures) -> bool:
    return any(fix["state"] == "applied" for fix in read.fixes)


def _raised(run: Run) -> str | None:
    """The exception that ended the script, where one did."""
    return next((ending.get("exception") for ending in endings(run)), None)


def _how_it_ended(run: Run, exit_code: int, broken: str) -> str:
    raised = _raised(run)
    if exit_code == OUT_OF_MEMORY_KILL and not broken:
        return "killed from outside, most likely for its memory"
    if broken:
        return broken
    return f"the script ended with {raised}" if raised else f"the script ended with exit code {exit_code}"


def _thinned(losses: list[tuple[float, float | None]]) -> list[tuple[float, float | None]]:
    """Every second, fourth, eighth … loss, so that of two processes that took unequally many steps the same ones are kept."""
    every = 1
    while len(losses) > MOST_LOSSES * every:
        every *= 2
    if every == 1:
        return losses
    bad = {position for position, (_, loss) in enumerate(losses) if loss is None}
    return [pair for position, pair in enumerate(losses) if position % every == 0 or position in bad][: 2 * MOST_LOSSES]
