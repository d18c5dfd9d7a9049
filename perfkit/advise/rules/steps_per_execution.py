"""Keras goes back to Python after each of many short steps.

Between two calls of the train function Keras fetches the next position, calls its callbacks and reads the logs; and the call itself takes
a good part of a millisecond. ``compile(steps_per_execution=32)`` makes 32 steps in one call. Speaks for steps of at most 5 ms of which at least
10 % would go.

How the gain is told. What lies between the calls (callbacks, and what no phase tells) is paid once in 32 steps, and so is what a call takes that computes
next to nothing: 0.3 ms at the low end, 1.8 ms at the high end, and never more than nine tenths of it. Measured (TensorFlow 2.21, Keras 3.15, one thread,
beside other work): an MLP of 32 units 79 %, its step 2.2 ms long.

Callbacks see the ends of executions then, not of steps, and an epoch's logs are those of its last execution's. It is silent where several steps are made
in one already, on the torch backend (which has no such thing), and for steps without a graph (the rule run_eagerly).
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix, Interval
from ..what_if import ms, percent, phase_seconds, step_seconds

STEPS = 32
MOST_STEP_S = 0.005
CALL_S = (0.0003, 0.0018)
OF_CALL = 0.9
MIN_SAVES = 0.10
LINK = "https://keras.io/api/models/model_training_apis/"

Row = dict[str, Any]


def check(breakdown: list[Row], headline: Row, compiled_model: Row, keras: Row) -> Finding | None:
    """Judge how often Keras comes back to Python."""
    step = step_seconds(breakdown)
    if (
        headline.get("mode") != "training"
        or keras.get("backend") == "torch"
        or compiled_model.get("run_eagerly")
        or compiled_model.get("steps_per_execution") != 1
        or not 0 < step <= MOST_STEP_S
    ):
        return None
    between, inside = phase_seconds(breakdown, "callbacks", "other"), phase_seconds(breakdown, "function")
    rest = 1 - 1 / STEPS
    least, most = (rest * (between + min(OF_CALL * inside, call)) / step for call in CALL_S)
    gain = Interval(low=least, high=most)
    if gain.low < MIN_SAVES:
        return None
    return Finding(
        rule="steps_per_execution",
        cause="launch",
        title=f"Make {STEPS} steps in one call",
        evidence={
            "between the calls of the train function": f"{ms(between)} of the {ms(step)} step ({percent(between / step)})",
            "a call": ms(inside),
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="steps-per-execution", parameters={"steps": STEPS}),
        how=f"model.compile(..., steps_per_execution={STEPS})",
        links=[LINK],
        takes={"other": 1.0, "callbacks": 1.0, "function": 1.0},
        alternatives="fixed cost",
    )
