"""What the operators of a step do that a processor computes: arithmetic by class, or only the calling of it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..analyze import classes

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Row = dict[str, Any]

OPTIMIZER_MODULE = "optimizer"
# Nodes of autograd call operators and compute nothing themselves.
_NODE = re.compile(r"^autograd::|Backward\d*$|^torch::autograd::")
# Operators that make another view of the same numbers, or room for new ones: all that they take is the calling.
_BOOKKEEPING = re.compile(
    r"^aten::(view|view_as|reshape|_unsafe_view|_reshape_alias|t|transpose|permute|as_strided|select|slice|narrow|expand|expand_as|unsqueeze"
    r"|squeeze|detach|alias|unflatten|flatten|unbind|split|chunk|movedim|empty|empty_like|empty_strided|new_empty|resize|set|lift_fresh"
    r"|result_type|item|_local_scalar_dense|is_nonzero|_has_compatible_shallow_copy_type|detach_)_?$|^detach_?$"
)
# What analyze.classes leaves open: there a kernel's own name tells these.
_REST: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("memset", re.compile(r"^aten::(fill|zero|zeros|ones|full|zeros_like|ones_like|full_like|new_zeros|new_ones)_?$")),
    ("copy", re.compile(r"^aten::(copy|_to_copy|to|contiguous|clone|cat|stack|type_as|repeat|tile|flip|roll)_?$")),
    ("matmul", re.compile(r"_linear(_pointwise|_backward)?(_\w+)?$|mkl_linear|onednn|gemm")),
    (
        "elementwise",
        re.compile(
            r"^aten::_?(add|sub|rsub|mul|div|neg|abs|exp|expm1|log|log1p|sqrt|rsqrt|pow|square|reciprocal|sin|cos|tan|tanh|sigmoid|relu"
            r"|gelu|silu|mish|elu|selu|leaky_relu|prelu|softplus|hardtanh|hardswish|clamp|clamp_min|clamp_max|threshold|where|masked_fill"
            r"|erf|erfinv|maximum|minimum|addcmul|addcdiv|lerp|eq|ne|lt|gt|le|ge|logical_\w+?|bitwise_\w+?|sign|sgn|floor|ceil|round"
            r"|remainder|fmod|isnan|isfinite|isinf|triu|tril|dropout|native_dropout|foreach_\w+?)(_backward)?_?$"
        ),
    ),
)

# What calling an operator takes where the trace has too few that do nothing else: 2–10 µs, see analyze.roofline.
USUAL_CALL_S = 2e-6
LEAST_CALL_S, MOST_CALL_S = 0.3e-6, 10e-6
ENOUGH_CALLS = 10


def is_loading(row: Row) -> bool:
    """Whether *row* is the fetching of a batch."""
    return row["kind"] == "annotation" and ("DataLoader" in row["name"] or row["name"].startswith("perfkit.data"))


def class_of(row: Row) -> str | None:
    """The class of arithmetic that an operator does, one of analyze.classes.BUSY; None where it only calls others."""
    name = str(row["name"])
    if _NODE.search(name) or _BOOKKEEPING.search(name):
        return None
    if row.get("module") == OPTIMIZER_MODULE:
        return classes.OPTIMIZER
    return row.get("work") or next((kind for kind, pattern in _REST if pattern.search(name)), classes.OTHER)


def call_seconds(rows: Iterable[Row]) -> float:
    """What this host takes to call an operator: the mean of those that do nothing else."""
    idle = [
        row for row in rows if row["kind"] == "operator" and row["calls_per_step"] and _BOOKKEEPING.search(row["name"])
    ]
    calls = sum(row["calls_per_step"] for row in idle)
    if calls < ENOUGH_CALLS:
        return USUAL_CALL_S
    return float(min(max(sum(row["seconds_per_step"] for row in idle) / calls, LEAST_CALL_S), MOST_CALL_S))


def divided(rows: Sequence[Row]) -> dict[str, float]:
    """Seconds per step by part (vocabulary.PARTS): arithmetic by class, calling operators, Python, and fetching batches."""
    each_s = call_seconds(rows)
    parts: dict[str, float] = {}
    for row in rows:
        seconds = float(row["seconds_per_step"])
        work = class_of(row) if row["kind"] == "operator" else None
        calling = seconds if work is None else min(seconds, (row["calls_per_step"] or 0.0) * each_s)
        name = _calling(row)
        parts[name] = parts.get(name, 0.0) + calling
        if work is not None:
            parts[work] = parts.get(work, 0.0) + seconds - calling
    return parts


def _calling(row: Row) -> str:
    """What the time of *row* is that is no arithmetic: that of operators and the runtime is calling, that of annotations is Python's."""
    if row["kind"] in ("python", "annotation"):
        return "input" if is_loading(row) else "python"
    return "dispatch"


def outside_modules_s(rows: Iterable[Row]) -> float:
    """Seconds per step of operators that belong to no module: the loss's, and those of a dataset that is read in the same process."""
    return float(sum(row["seconds_per_step"] for row in rows if row["kind"] == "operator" and not row.get("module")))
