"""A Keras model computes in double precision.

``keras.config.set_floatx("float64")``, or layers made with ``dtype="float64"``: everything is computed in twice the bytes, and by code that is far slower
than that for float32. Speaks on a processor when most of the parameters of a model that is trained or predicts are float64.

Cure: leave floatx as it is (float32), and the arrays with it (``x.astype("float32")``).

How the gain is told. The function that makes a step becomes two to six times as fast; of what lies beside it (Keras gathers arrays anew for each epoch) between
nothing and three quarters goes, for it is half as many bytes. Measured (TensorFlow 2.21, one thread of an AVX-512 processor): an MLP of 512 units 70 to 76 %.

It cannot know whether a computation needs the digits: some simulations and ill-conditioned solvers do, and neural networks hardly ever. It is
silent on a GPU (no case was measured).
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import compute_takes
from ..what_if import ms, percent, phase_seconds, step_seconds

MIN_SHARE = 0.5
FASTER = (2.0, 6.0)
OF_BESIDE = (0.0, 0.75)
MIN_SAVES = 0.05
LINK = "https://keras.io/api/utils/config_utils/"

Row = dict[str, Any]


def check(breakdown: list[Row], compiled_model: Row, keras: Row, tensorflow: Row | None = None) -> Finding | None:
    """Judge a model whose parameters are float64."""
    dtypes = compiled_model.get("dtypes") or {}
    kept, step = dtypes.get("float64", 0), step_seconds(breakdown)
    computing = phase_seconds(breakdown, "forward", "backward", "optimizer", "function")
    if not step or (tensorflow or {}).get("devices") or kept < MIN_SHARE * sum(dtypes.values()) or not kept:
        return None
    beside = phase_seconds(breakdown, "other")
    low, high = (((1 - 1 / f) * computing + part * beside) / step for f, part in zip(FASTER, OF_BESIDE, strict=True))
    if low < MIN_SAVES:
        return None
    return Finding(
        rule="floatx",
        cause="precision",
        title="Compute in float32 instead of float64",
        evidence={
            "float64 parameters": f"{kept:,} of {sum(dtypes.values()):,}",
            "floatx": str(keras.get("floatx")),
            "computing": f"{ms(computing)} of the {ms(step)} step ({percent(computing / step)})",
        },
        saves=Interval(low=low, high=high),
        confidence="medium",
        fix=Fix(name="floatx") if keras.get("floatx") == "float64" else None,
        how='# without keras.config.set_floatx("float64")\nx = x.astype("float32")',
        links=[LINK],
        takes=compute_takes(breakdown) | {"other": beside / step},
    )
