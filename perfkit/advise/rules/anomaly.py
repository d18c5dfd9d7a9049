"""Anomaly detection was left on.

``torch.autograd.set_detect_anomaly(True)`` makes autograd note the Python stack at every operator of the forward pass and
look through every gradient for NaN in the backward pass. It is for finding a NaN, not for training: it made steps 1.25 to 8
times as long (measured: 26 small models on a CPU). Cure: remove it, or switch it on only once a loss is not finite.

Speaks when it is on inside the steps and would give back at least 5 %.

How the gain is told. The trace shows the checks themselves (``aten::ne`` and ``aten::any`` within the backward pass):
70 to 150 % of their time goes where they are short, half to all of it where they are long and tracing them costs. What
noting the stacks adds to the forward pass is told twice, and the narrower is believed: from their number, at 20 to 85 µs
of Python each (measured, one thread, two processors), and from the phases, as a forward pass takes 0.45 to 1.2 of its backward pass
without the checks. Without a trace, and on a GPU, the whole range measured is told, 20 to 80 % of forward and backward.

It is silent when anomaly detection is off, whatever the script did outside its steps.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding
from ..host_work import is_elsewhere
from ..what_if import ms, percent, phase_seconds, saved, step_seconds

MIN_SAVES = 0.05
# The checks of a gradient, as they appear in a trace.
CHECKS = ("aten::any", "aten::ne", "aten::isnan")
# Of a check's time as traced, what goes: longer than LONG_CHECK_S it is mostly memory, traced with its first touch.
LONG_CHECK_S = 50e-6
CHECKS_GONE = {True: (1.0, 0.5), False: (1.5, 0.7)}
# Noting one stack: at most, at least, and what no estimate from the phases may exceed at the low end.
STACK_S, LIKELY_STACK_S = (85e-6, 20e-6), 55e-6
# A forward pass in units of its backward pass, at least and at most (26 models: 0.48-1.5, mostly 0.55-1.2).
FORWARD_OF_BACKWARD = (0.45, 1.2)
# What is left of a backward pass without the checks, at least.
BACKWARD_LEFT = 0.25
# Of forward and backward, without a trace: what was measured on 26 models.
UNTRACED = (0.80, 0.20)
# Forward and backward never disappear.
MOST = 0.90
LINK = "https://pytorch.org/docs/stable/autograd.html#anomaly-detection"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    torch: Row,
    host_operators: list[Row] | None = None,
    script_facts: list[Row] | None = None,
    model: Row | None = None,
) -> Finding | None:
    """Judge whether anomaly detection is on."""
    step, spent = step_seconds(breakdown), phase_seconds(breakdown, "forward", "backward")
    if not torch.get("anomaly_detection") or not step:
        return None
    checks = [row for row in host_operators or [] if row["name"] in CHECKS and not is_elsewhere(model)]
    forward, backward = phase_seconds(breakdown, "forward"), phase_seconds(breakdown, "backward")
    gone = [min(MOST * spent, added) for added in _added(checks, forward, backward)]
    gain = saved(step, [step - seconds for seconds in gone])
    if gain.high < MIN_SAVES:
        return None
    evidence: Row = {"anomaly detection": "on inside the steps"}
    if checks:
        seconds = sum(row["seconds_per_step"] for row in checks)
        evidence["looking for NaN"] = f"{ms(seconds)} of the {ms(step)} step ({percent(seconds / step)})"
    line = next((row for row in script_facts or [] if row["fact"] == "detect-anomaly"), None)
    if line:
        evidence["switched on at"] = f"{line['file']}:{line['line']}"
    return Finding(
        rule="anomaly",
        cause="python",
        title="Switch anomaly detection off",
        evidence=evidence,
        saves=gain,
        confidence="high" if checks else "medium",
        fix=None,
        how="torch.autograd.set_detect_anomaly(False)   # or remove the call",
        links=[LINK],
        takes={"forward": 1.0, "backward": 1.0},
    )


def _added(checks: list[Row], forward: float, backward: float) -> list[float]:
    """What anomaly detection adds to a step, in s: at most and at least."""
    if not checks:
        return [(forward + backward) * share for share in UNTRACED]
    seconds = sum(row["seconds_per_step"] for row in checks)
    count = sum(row["calls_per_step"] for row in checks if row["name"] == "aten::any") or 1.0
    parts = CHECKS_GONE[seconds / count > LONG_CHECK_S]
    noting = _noting(count, forward, max(backward - seconds, BACKWARD_LEFT * backward))
    return [seconds * part + stacks for part, stacks in zip(parts, noting, strict=True)]


def _noting(count: float, forward: float, backward: float) -> tuple[float, float]:
    """What noting *count* stacks adds to the forward pass, at most and at least; *backward*: without the checks."""
    shortest, longest = (part * backward for part in FORWARD_OF_BACKWARD)
    most = min(count * STACK_S[0], max(0.0, forward - shortest))
    least = max(count * STACK_S[1], min(count * LIKELY_STACK_S, forward - longest))
    return most, min(most, least)
