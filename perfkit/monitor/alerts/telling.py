"""What an alert says: its words, and who hears of it."""

from __future__ import annotations

import sys
from typing import Any

from ...launch.privacy import mask_text
from ...model.monitoring import Alert, AlertState
from .message import lasted, printable
from .rules import Absence, Rule, fill
from .states import Change
from .watched import Watched


def alert_of(watched: Watched, change: Change, run: str) -> Alert:
    """The alert of a change, without secrets that can be told by their shape."""
    return Alert(
        rule=watched.rule.name, state=change.state, severity=watched.severity, metric=watched.metric,
        message=mask_text(printable(_message(watched, change, run))), time_ns=change.time_ns, since_ns=change.since_ns,
        duration_s=change.duration_s, value=watched.value, run=run, evidence=_masked(watched.evidence),
    )  # fmt: skip


def is_told(rule: Rule, state: AlertState) -> bool:
    """Whether sinks hear of it: of what fires and is over, and of missing values where the rule says so."""
    return state in ("firing", "resolved") or (
        state == "no-data" and isinstance(rule.when, Absence) and rule.when.tells
    )


def tell(text: str) -> None:
    """A line on stderr about the alerts themselves."""
    try:
        sys.stderr.write(f"perfkit: alerts: {printable(text)}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):  # closed, or none at all
        return


def _message(watched: Watched, change: Change, run: str) -> str:
    own = watched.rule.message
    trouble = fill(own, _fields(watched, change, run)) if own else watched.trouble
    if change.state == "firing" and watched.rule.for_s and not own:
        trouble = f"{trouble}, for {lasted(watched.rule.for_s)}"
    if change.state in ("firing", "no-data"):
        return trouble
    return f"over after {lasted(change.duration_s)}: {trouble if own else watched.present}"


def _fields(watched: Watched, change: Change, run: str) -> dict[str, str]:
    facts = watched.evidence
    numbers = {"value": watched.value, "threshold": watched.threshold}
    return {
        **{name: "" if value is None else f"{value:.6g}" for name, value in numbers.items()},
        **{name: str(facts.get(name, "")) for name in ("step", "epoch", "reason")},
        "rule": watched.rule.name, "metric": watched.metric, "severity": watched.severity, "state": change.state, "run": run,
        "duration": lasted(change.duration_s), "event": watched.trouble,
    }  # fmt: skip


def _masked(value: Any) -> Any:
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, dict):
        return {key: _masked(one) for key, one in value.items()}
    return [_masked(one) for one in value] if isinstance(value, list | tuple) else value
