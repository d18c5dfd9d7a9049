"""What a learning rule says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ...model.monitoring import EventKind, Severity


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule says."""

    rule: str
    metric: str
    kind: EventKind
    severity: Severity
    message: str
    advice: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)
