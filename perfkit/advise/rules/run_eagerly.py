"""Keras or TensorFlow computes each operation by itself, instead of a graph of the whole step.

``run_eagerly=True`` (or ``tf.config.run_functions_eagerly(True)``) is for debugging; a training loop of one's own around a
``tf.GradientTape`` runs so unless its step is a ``tf.function``. Python then calls every operation of forward, backward and optimizer,
tens of microseconds each. Speaks when forward, backward and optimizer are seen one by one on the TensorFlow backend, and take most of the step.

Cures: leave ``run_eagerly`` out of ``compile``; or ``@tf.function`` above the function that makes a step.

How the gain is told. At the low end nine tenths of the optimizer's part go, which is calls and nothing else unless the model is very large; at the
high end a step of the graph takes 4 % of what it takes without. Which it is hangs on how much arithmetic is in an operation. Measured
(TensorFlow 2.21, Keras 3.15, one thread): a small convolution network on 8 by 8 pictures 92 %, an LSTM 93 %, a convolution network whose
arithmetic takes most of the step 36 %.

It is silent for Keras on torch or JAX, where this word means something else, and where less than 5 % would be saved.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix, Interval
from ..what_if import ms, percent, phase_seconds, step_seconds

MIN_SHARE = 0.5
OF_OPTIMIZER, OF_ALL = 0.9, 0.96
PARTS = ("forward", "backward", "optimizer", "function", "other")
MIN_SAVES = 0.05
LINK = "https://www.tensorflow.org/guide/function"

Row = dict[str, Any]


def check(
    breakdown: list[Row], tensorflow: Row, keras: Row | None = None, compiled_model: Row | None = None
) -> Finding | None:
    """Judge steps that are computed without a graph."""
    step, spent = step_seconds(breakdown), phase_seconds(breakdown, "forward", "backward", "optimizer")
    stepped = phase_seconds(breakdown, "optimizer")
    if (
        (keras or {}).get("backend", "tensorflow") != "tensorflow"
        or not step
        or not stepped
        or spent / step < MIN_SHARE
    ):
        return None
    gain = Interval(low=OF_OPTIMIZER * stepped / step, high=OF_ALL * phase_seconds(breakdown, *PARTS) / step)
    if gain.low < MIN_SAVES:
        return None
    by_fit = bool((compiled_model or {}).get("run_eagerly"))
    asked_for = by_fit or bool(tensorflow.get("run_functions_eagerly"))
    return Finding(
        rule="run_eagerly",
        cause="python",
        title="Let TensorFlow make a graph of the step",
        evidence={
            "computed operation by operation": f"{ms(spent)} of the {ms(step)} step ({percent(spent / step)})",
            "of it the optimizer": ms(stepped),
            "because of": "run_eagerly" if asked_for else "a step outside a tf.function",
        },
        saves=gain,
        confidence="high" if by_fit else "medium",
        fix=Fix(name="run-eagerly") if asked_for else None,
        how="model.compile(...)   # without run_eagerly=True" if by_fit else "@tf.function\ndef train_step(x, y): ...",
        links=[LINK],
        takes=dict.fromkeys(PARTS, 1.0),
    )
