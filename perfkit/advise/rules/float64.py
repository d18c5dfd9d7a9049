"""The model computes in double precision.

NumPy makes float64 unless told otherwise, and ``torch.from_numpy`` keeps it; one such array and a model that was
made to fit it are enough, and everything is computed in twice the bytes and at half the rate or less. Speaks on a
CPU when operators on float64 take most of the step's operators' time, and the change would save at least 5 %.

Cures: make the tensors float32 where they enter (``torch.from_numpy(a).float()``, ``a.astype("float32")``) and the
model with them (``model.float()``, no ``set_default_dtype(torch.float64)``).

How the gain is told. Of each operator's time 5 µs a call stay, which is what calling it takes; the rest becomes
shorter by what whole training steps showed in float32 against float64 (measured, one thread of an AVX-512
processor, torch 2.13): matrix products 2.0 to 2.4 times (up to 3.4 on another, an AMD EPYC), convolutions 2.3 to 3.2, recurrent layers 2.5 to 4,
elementwise work 1.8 to 3.5. Whole steps became shorter by 55 % (MLP of 512 units), 59 and 64 % (convolutions), 71 % (LSTM), 52 %
(transformer), and 9 % where tiny operators only wait to be called (64 units).

It is silent where float32 or less computes already, on a GPU (no case was measured), and where the operators are too
small to gain. It cannot know whether a computation needs the digits: some simulations and ill-conditioned solvers do,
and neural networks hardly ever.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix
from ..host_work import compute_takes, is_on_cpu, operators, seconds
from ..what_if import ms, percent, saved

# A model that keeps a few sums in double is none of this rule's business.
MIN_SHARE_OF_OPERATORS = 0.5
MIN_SAVES = 0.05
# What calling an operator takes in training, whatever it computes: forward, its node in the graph, backward (measured:
# an MLP of 64 units needs 0.35 ms for its 70 calls in either precision).
CALL_S = 5e-6
# float64 time over float32 time, (least, most), by class of work.
FACTORS = {"matmul": (2.0, 3.4), "attention": (2.0, 3.4), "convolution": (2.3, 3.2), "recurrent": (2.5, 4.0)}
OTHER_FACTORS = (1.8, 3.5)
RECURRENT = ("lstm", "gru", "rnn")
LINK = "https://docs.pytorch.org/docs/stable/generated/torch.from_numpy.html"

Row = dict[str, Any]


def check(
    step_s: float,
    host_operators: list[Row],
    model: Row,
    breakdown: list[Row] | None = None,
    script_facts: list[Row] | None = None,
) -> Finding | None:
    """Judge computation in float64."""
    rows = operators(host_operators)
    double = [row for row in rows if is_double(row)]
    if not step_s or not is_on_cpu(model) or seconds(double) < MIN_SHARE_OF_OPERATORS * seconds(rows):
        return None
    gains = [sum(_shorter(row, end) for row in double) for end in (0, 1)]
    gain = saved(step_s, [max(0.0, step_s - seconds_saved) for seconds_saved in gains])
    if gain.low < MIN_SAVES:
        return None
    evidence = {
        "operators on float64": f"{ms(seconds(double))} of the {ms(step_s)} step ({percent(seconds(double) / step_s)})"
    }
    kept = (model.get("dtypes") or {}).get("float64")
    if kept:
        evidence["float64 parameters"] = f"{kept:,}"
    where = next((row for row in script_facts or [] if row.get("fact") == "float64"), None)
    if where:
        evidence["perhaps from"] = f"{where['file']}:{where['line']}: {where['code']}"
    return Finding(
        rule="float64",
        cause="precision",
        title="Compute in float32 instead of float64",
        evidence=evidence,
        saves=gain,
        confidence="medium",
        fix=Fix(name="float32"),
        how="x = torch.from_numpy(array).float()   # where tensors enter\nmodel = model.float()",
        links=[LINK],
        takes=compute_takes(breakdown),
    )


def is_double(row: Row) -> bool:
    """Whether the first tensor that the operator was given is float64."""
    return str(row.get("dtypes") or "").lstrip('["').startswith("double")


def _shorter(row: Row, end: int) -> float:
    """Seconds per step that float32 saves in *row*, by the lower (0) or the higher (1) of its factors."""
    work = "recurrent" if any(name in str(row["name"]) for name in RECURRENT) else str(row.get("work"))
    factor = FACTORS.get(work, OTHER_FACTORS)[end]
    grows = max(0.0, row["seconds_per_step"] - CALL_S * row["calls_per_step"])
    return float(grows * (1 - 1 / factor))
