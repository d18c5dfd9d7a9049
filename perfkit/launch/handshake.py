"""What the guests in the user's processes said about themselves, as collectors with a reason each."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..model.records import Collector
from ..runs import layout
from ..runs.reader import Run

_ISOLATING = re.compile(r"-[bBdEhiIOqsSuvVWx]*[IES]")


def collectors(run: Path, argv: list[str]) -> list[Collector]:
    """The collectors that live in the user's processes: *guest*, those of its probes that failed,
    *steps*, *trace*.
    """
    recorded = Run(run)
    guests = recorded.jsonl(layout.GUESTS)
    armed = [guest for guest in guests if guest.get("framework")]
    made = [_guest(recorded, guests, armed, argv), *_failed_probes(armed)]
    if armed:
        made += [_steps(recorded), _trace(recorded)]
    return made


def _guest(run: Run, guests: list[dict[str, Any]], armed: list[dict[str, Any]], argv: list[str]) -> Collector:
    if armed:
        return Collector(name="guest", state="on", reason=_armed_reason(armed))
    failures = [str(guest["failed"]) for guest in guests if guest.get("failed")]
    if failures:
        return Collector(name="guest", state="failed", reason="; ".join(dict.fromkeys(failures)))
    booted = boots(run.path)
    if not booted:
        return Collector(name="guest", state="failed", reason=_silence(argv))
    if libraries := _libraries(guests):
        reason = f"no framework with steps was imported; the stages of {libraries} were timed"
        return Collector(name="guest", state="off", reason=reason)
    count = f"{booted} Python process{'es' if booted != 1 else ''}"
    return Collector(
        name="guest", state="off", reason=f"neither torch nor TensorFlow nor Keras was imported (in {count})"
    )


def _libraries(guests: list[dict[str, Any]]) -> str:
    """Name and version of the libraries whose stages were timed."""
    found = {name: version for guest in guests for name, version in (guest.get("libraries") or {}).items()}
    return ", ".join(f"{name} {version}".strip() for name, version in sorted(found.items()))


def boots(run: Path) -> int:
    """How many Python processes have booted with the guest."""
    try:
        lines = (run / layout.BOOTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return 0
    return len({line.split()[0] for line in lines if line.split()})


def _armed_reason(armed: list[dict[str, Any]]) -> str:
    versions = {f"{name} {version}" for guest in armed for name, version in guest["framework"].items()}
    processes = len({guest.get("pid") for guest in armed})
    return f"armed in {processes} process{'es' if processes != 1 else ''} ({', '.join(sorted(versions))})"


def _silence(argv: list[str]) -> str:
    """Why no Python process met the guest, as far as the command line tells."""
    if isolating := [word for word in _python_flags(argv) if _ISOLATING.fullmatch(word)]:
        return (
            f"Python was started with {isolating[0]}, which keeps perfkit's folder off its path: "
            "run it without, or use perfkit.profile() in the code"
        )
    return (
        "no Python process found perfkit on its PYTHONPATH: the command sets a PYTHONPATH or environment "
        "of its own, runs in a container, or is not Python; perfkit.profile() in the code works there"
    )


def _python_flags(argv: list[str]) -> list[str]:
    flags: list[str] = []
    for index, word in enumerate(argv):
        if re.search(r"(^|/)python[\d.]*$", word):
            for flag in argv[index + 1 :]:
                if not flag.startswith("-") or flag in {"-c", "-m", "-"}:
                    break
                flags.append(flag)
    return flags


def _failed_probes(armed: list[dict[str, Any]]) -> list[Collector]:
    failed: dict[str, str] = {}
    for guest in armed:
        for probe, reason in (guest.get("failed") or {}).items():
            failed.setdefault(f"guest.{probe}", str(reason))
    return [Collector(name=name, state="failed", reason=reason) for name, reason in failed.items()]


def _steps(run: Run) -> Collector:
    ranks = run.ranks
    if not ranks:
        return Collector(name="steps", state="off", reason="no step and no model call was seen")
    names = ", ".join(rank.name for rank in ranks)
    return Collector(name="steps", state="on", reason=f"boundary marks of {names}")


def _trace(run: Run) -> Collector:
    windows = sum(len(rank.traces) for rank in run.ranks)
    if windows:
        return Collector(name="trace", state="on", reason=f"{windows} window{'s' if windows != 1 else ''} exported")
    notes = [note for rank in run.ranks for note in rank.facts_of("window")]
    reasons = [str(note["reason"]) for note in notes if note.get("reason")]
    if reasons:
        failed = any(note.get("state") == "failed" for note in notes)
        return Collector(name="trace", state="failed" if failed else "off", reason=reasons[-1])
    return Collector(name="trace", state="off", reason="no trace window was opened")
