"""The rules that hold unless a person says otherwise."""

from __future__ import annotations

from .grammar import parse
from .rules import Rule

_TEXTS = (
    # A loss that is no number does not come back, and each further step is wasted. With detectors it is "invalid" that says so, with advice.
    "loss-not-finite: */loss is not finite under invalid severity critical",
    "run-lost: status lost severity critical",
    'out-of-memory: status failed, killed reason "*memory*" severity critical',
    'run-failed: status failed, killed unless "*memory*" severity critical',
    "hang: status hanging severity critical",
    # What stays changed is told until it has recovered; what is odd once is for the curves, not for a person at night.
    "degradation: event degradation",
    "fault: event fault",
    # Under- and overfitting change over hours: once is enough.
    "learning: event learning at least warning",
    "invalid: event validity",
)


def default_rules() -> list[Rule]:
    """NaN loss, run lost or failed, hang, out of memory, and what the detectors say of degradation, faults and learning."""
    return [parse(text) for text in _TEXTS]
