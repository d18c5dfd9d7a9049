"""torch.compile compiles, or TensorFlow traces, again and again while training goes on.

A compiled function is valid for what it was compiled for: shapes, types, flags, Python numbers. When one of these changes it
is compiled anew, seconds each time, and after eight variants it is run without compilation. Speaks when compilations
within the steady steps take at least 5 % of their time.

Cures, by what the compiler says of the reason: a size that changes wants ``torch.compile(model, dynamic=True)``,
``torch._dynamo.mark_dynamic(x, 1)`` or padding to a few lengths; a number or flag that changes wants to be a tensor, or
to be kept out of the compiled function.

How the gain is told. What the compilations took in the steady steps goes, less up to a quarter: one more compilation may be needed,
and code for any size is slower than code for one. At most it is what the steps with a compilation, and the first after each,
take longer than the quick ones of the others: what was compiled is made ready when it first runs. Compilations that end with the warm-up are the price of
torch.compile and no finding.

A ``tf.function`` is traced anew for each new shape, type and Python number in its arguments, and the graph is made ready each time. Cures there: an
``input_signature`` with ``None`` for the size that changes, ``reduce_retracing=True``, padding to a few lengths, tensors instead of numbers.

It is silent when nothing was compiled in a steady step, and when what was takes less than 5 %.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..what_if import ms, percent

MIN_SHARE = 0.05
# One compilation may be the last of the warm-up that the steady segment caught.
MIN_COUNT = 2
GIVES_BACK = (0.75, 1.0)
SIZES = ("size mismatch", "size changed", "stride mismatch", ".size()", "dynamic shape", "dynamic=")
LINK_TF = "https://www.tensorflow.org/guide/function#controlling_retracing"
HOW_TF = (
    "@tf.function(reduce_retracing=True)   # or input_signature=[tf.TensorSpec((batch, None), tf.int32), ...]\n"
    "# or pad to a few fixed lengths; pass Python numbers that change as tensors"
)
LINK = "https://docs.pytorch.org/docs/stable/torch.compiler_dynamic_shapes.html"
HOW_SIZES = (
    "model = torch.compile(model, dynamic=True)\n# or torch._dynamo.mark_dynamic(x, 1), or pad to a few fixed lengths"
)
HOW_OTHER = (
    "# run once with TORCH_LOGS=recompiles: what changes from call to call wants to be a tensor,\n"
    "# or to be kept out of the compiled function"
)

Row = dict[str, Any]


def check(step_s: float, compilations: Row, traced: list[Row] | None = None) -> Finding | None:
    """Judge compilations within the steady steps."""
    spent = float(compilations.get("in_steady_seconds_per_step") or 0.0)
    count = int(compilations.get("in_steady_count") or 0)
    if not step_s or count < MIN_COUNT or spent / step_s < MIN_SHARE:
        return None
    share = min(1.0, spent / step_s)
    most = min(1.0, max(share, float(compilations.get("around_steady_seconds_per_step") or 0.0) / step_s))
    reasons = [str(reason) for reason in compilations.get("reasons") or []]
    evidence: Row = {
        "compilations in steady steps": f"{count}, {ms(spent)} of the mean {ms(step_s)} step ({percent(share)})",
    }
    if reasons:
        evidence["the compiler's reason"] = reasons[0]
    saves = Interval(low=GIVES_BACK[0] * share, high=GIVES_BACK[1] * most)
    if often := max(traced or [], key=lambda row: row["count"], default=None):
        evidence["traced most often"] = f"{often['name']}, {often['count']} times"
        return _finding("Trace once for all sizes", evidence, saves, HOW_TF, LINK_TF, sure=True)
    of_sizes = not reasons or any(word in reason for reason in reasons for word in SIZES)
    title = "Compile once for all sizes" if of_sizes else "Stop the recompilations"
    return _finding(title, evidence, saves, HOW_SIZES if of_sizes else HOW_OTHER, LINK, sure=bool(reasons) and of_sizes)


def _finding(title: str, evidence: Row, saves: Interval, how: str, link: str, *, sure: bool) -> Finding:
    return Finding(
        rule="recompile",
        cause="compile",
        title=title,
        evidence=evidence,
        saves=saves,
        confidence="high" if sure else "medium",
        fix=None,
        how=how,
        links=[link],
    )
