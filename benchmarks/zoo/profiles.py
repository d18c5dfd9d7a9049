"""Profiles the zoo's scripts, unchanged, and asks today's rules about the runs that are stored."""

import sys
import tempfile
from pathlib import Path

from perfkit import api
from perfkit.advise.registry import advise
from perfkit.errors import PerfkitError

from . import running

RUNS = Path(__file__).resolve().parents[2] / "results" / "runs" / "zoo"

# How a fact says that perfkit itself is at fault for its absence.
FAULT = "perfkit failed to compute it"


def profile(
    script: Path,
    name: str,
    cores: int,
    threads: int | None,
    *,
    args: tuple[str, ...] = (),
    cwd: Path | None = None,
) -> Path:
    """`perfkit profile` of *script* into the folder of *name*; the run's path."""
    folder = RUNS / name
    words = [sys.executable, "-m", "perfkit", "profile", "-q", "--results-dir", str(folder), str(script), *args]
    with tempfile.TemporaryDirectory(prefix="perfkit-zoo-") as elsewhere:
        running.run(words, cores, threads, cwd or Path(elsewhere))
    return api.load("latest", results_dir=folder).path


def stored(name: str) -> Path | None:
    """The newest stored run of *name*; None where there is none."""
    try:
        return api.load("latest", results_dir=RUNS / name).path
    except PerfkitError:
        return None


def asked(path: Path):
    """What the rules say about the run at *path*: findings as rows in the order told, and faults of rules or facts."""
    return told(api.evidence(api.load(path)))


def told(evidence, *, calibrate: bool = True):
    """The same of evidence that is known already; without *calibrate* the rules' own intervals."""
    said = advise(evidence, calibrate=calibrate)
    rows = [
        {"rule": f.rule, "cause": f.cause, "title": f.title, "low": round(f.saves.low, 4),
         "high": round(f.saves.high, 4), "basis": f.basis, "confidence": f.confidence,
         "fix": {"name": f.fix.name, "parameters": f.fix.parameters} if f.fix else None}
        for f in said.findings
    ]  # fmt: skip
    broken = {rule: why for rule, why in said.skipped.items() if FAULT in why}
    return rows, said.failed | broken
