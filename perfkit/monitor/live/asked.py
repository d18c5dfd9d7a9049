"""What a person asked of `perfkit monitor run`: by flags, in ``[tool.perfkit.monitor]``, or by saying nothing.

::

    [tool.perfkit.monitor]
    alerts = ["val/loss > 2.5 for 60s clear 2.3", "run-failed: status failed severity warning"]   # added; a name replaces a default
    default_alerts = true       # the rules that hold unless a person says otherwise
    sinks = ["stderr", "file:alerts.jsonl", "https://hooks.example.org/…", {webhook = "${URL}", headers = {Authorization = "Bearer ${TOKEN}"}}]
    hang_after = "5m"
    epochs = 20
    total_steps = 10000
    detect = true
    logs = false                # as --logs
    baseline = "20261127T142522Z-train-721127"   # a run that went well; or its name's end

A flag goes before the table, the table before the default; alerts and sinks of flags are added to those of the table.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import UsageError
from .health import HANG_AFTER_S

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...runs.settings import ProjectSettings
    from ...runs.store import Store
    from ..alerts.rules import Rule
    from ..alerts.sinks import Sink

TABLE = "[tool.perfkit.monitor]"
_KINDS: dict[str, type | tuple[type, ...]] = {
    "alerts": list, "sinks": list, "default_alerts": bool, "hang_after": (str, int, float), "epochs": int, "total_steps": int,
    "detect": bool, "logs": bool, "baseline": str,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is wanted of the watching."""

    rules: tuple[Rule, ...] = ()
    sinks: tuple[Sink, ...] = ()
    #: No step for so many seconds is a hang (and for 20 usual steps).
    hang_after_s: float = HANG_AFTER_S
    #: How long the run will be, where a person knows it.
    total_steps: int | None = None
    total_epochs: int | None = None
    #: Whether the detectors look at the series.
    detect: bool = True
    #: Other files in which the script logs.
    log_files: tuple[Path, ...] = field(default=())
    #: Whether to read also an output that is no file, by standing in between.
    tee: bool = False
    #: Directory of a run that this one is held against.
    baseline: Path | None = None


def table(settings: ProjectSettings) -> dict[str, Any]:
    """The table of a project. Raises UsageError for a key or a value that cannot be meant."""
    found = settings.values.get("monitor", {})
    if not isinstance(found, dict):
        raise UsageError(f"{settings.file}: {TABLE} must be a table")
    for key, value in found.items():
        if key not in _KINDS:
            raise UsageError(f"{settings.file}: {TABLE} has no {key!r}; it has {', '.join(_KINDS)}")
        if not isinstance(value, _KINDS[key]) or (isinstance(value, bool) and _KINDS[key] is not bool):
            raise UsageError(f"{settings.file}: {TABLE} {key} = {value!r} cannot be meant; see docs/monitor-run.md")
    return found


def asked(
    settings: ProjectSettings,
    *,
    alerts: Sequence[str] = (),
    sinks: Sequence[str] = (),
    hang_after_s: float | None = None,
    total_steps: int | None = None,
    total_epochs: int | None = None,
    detect: bool = True,
    log_files: Sequence[Path] = (),
    tee: bool = False,
    baseline: str | None = None,
    store: Store | None = None,
) -> Asked:
    """Flags, the project's table and defaults together; a *baseline* is a run of *store*. Raises UsageError, and RunError for an unknown run."""
    from ..alerts.settings import rules_of, sinks_of

    values = table(settings)
    folder = settings.file.parent if settings.file else None
    where = f"{settings.file}: {TABLE}"
    wanted_s = hang_after_s if hang_after_s is not None else _seconds(values.get("hang_after"))
    return Asked(
        rules=tuple(rules_of(values, where, flags=alerts)),
        sinks=tuple(sinks_of(values, where, folder, flags=sinks)),
        hang_after_s=HANG_AFTER_S if wanted_s is None else wanted_s,
        total_steps=total_steps or values.get("total_steps"),
        total_epochs=total_epochs or values.get("epochs"),
        detect=detect and bool(values.get("detect", True)),
        log_files=tuple(log_files),
        tee=tee or bool(values.get("logs", False)),
        baseline=_run(baseline or values.get("baseline"), store),
    )


def _run(reference: str | None, store: Store | None) -> Path | None:
    return store.resolve(reference) if reference and store is not None else None


def _seconds(value: Any) -> float | None:
    from ...runs.store import parse_age

    if value is None or not isinstance(value, str):
        return value
    return parse_age(value).total_seconds()
