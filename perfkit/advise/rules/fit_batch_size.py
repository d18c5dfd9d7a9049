"""Keras is given so few samples at a time that most of a step is the price of making one.

A call of the train function costs a good part of a millisecond however few samples it is for, and so do the callbacks and the bookkeeping between
two calls. Speaks for `fit` and `predict` in batches of at most 16 samples on a processor, in steps of at most 5 ms.

Cure: a larger batch; the title says how large. In training this changes the optimization, not only its speed (the learning rate usually grows with the batch), so
it is for the person to decide; in inference it changes nothing.

How the gain is told, per sample, for a batch of 64. What lies between the calls is paid once per batch; and so is what a call takes that computes next to nothing: 0.3 ms at
the low end; at the high end all of it. Measured (TensorFlow 2.21, Keras 3.15, one thread, beside other work), 4 → 64: MLPs of 64 and 256
units 93 to 94 %, an LSTM of 32 units 92 %, a convolution network of 8 channels on 32 by 32 pictures 78 %, attention on 32 positions 64 %; 8 → 64: the last two 61 and 49 %.

It is silent where several steps are made in one call, for steps without a graph (the rule run_eagerly), on a GPU, on the torch backend (the rule
small_batch), for batches above 16, and where less than 20 % would surely be saved.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix, Interval
from ..what_if import ms, percent, phase_seconds, step_seconds
from .steps_per_execution import CALL_S, OF_CALL

MOST_SAMPLES = 16
WANTED = 64
MOST_STEP_S = 0.005
# A step that waits longer than this for its data has another trouble first.
MOST_LOADING = 0.25
MIN_SAVES = 0.20
LINK = "https://keras.io/api/models/model_training_apis/"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    headline: Row,
    compiled_model: Row,
    keras: Row,
    batches: Row | None = None,
    tensorflow: Row | None = None,
) -> Finding | None:
    """Judge the size of Keras' batches."""
    step = step_seconds(breakdown)
    batch = int((batches or {}).get("batch_size") or 0)
    batch = batch if batch > 0 else int(headline.get("samples_per_step") or 0)
    if (
        not 0 < batch <= MOST_SAMPLES
        or not 0 < step <= MOST_STEP_S
        or phase_seconds(breakdown, "data") > MOST_LOADING * step
        or _is_judged_elsewhere(compiled_model, keras, tensorflow or {})
    ):
        return None
    between, inside = phase_seconds(breakdown, "callbacks", "other"), phase_seconds(breakdown, "function")
    rest = 1 - batch / WANTED
    fixed = (between + min(OF_CALL * inside, CALL_S[0]), between + inside + phase_seconds(breakdown, "data"))
    gain = Interval(low=rest * fixed[0] / step, high=rest * fixed[1] / step)
    if gain.low < MIN_SAVES:
        return None
    how = f"model.{'predict' if headline.get('mode') == 'inference' else 'fit'}(..., batch_size={WANTED})"
    return Finding(
        rule="fit_batch_size",
        cause="batch",
        title=f"Compute {WANTED} samples at a time instead of {batch}",
        evidence={
            "samples per step": batch,
            "between the calls of the train function": f"{ms(between)} of the {ms(step)} step ({percent(between / step)})",
            "a call": ms(inside),
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="fit-batch-size", parameters={"batch_size": WANTED})
        if headline.get("mode") == "training"
        else None,
        how=how
        if headline.get("mode") == "inference"
        else how + "   # training changes with it: the learning rate usually has to grow too",
        links=[LINK],
        takes={"function": 1.0, "other": 1.0, "callbacks": 1.0},
        alternatives="fixed cost",
    )


def _is_judged_elsewhere(compiled_model: Row, keras: Row, tensorflow: Row) -> bool:
    return bool(
        compiled_model.get("run_eagerly")
        or (compiled_model.get("steps_per_execution") or 1) != 1
        or keras.get("backend") == "torch"
        or tensorflow.get("devices")
    )
