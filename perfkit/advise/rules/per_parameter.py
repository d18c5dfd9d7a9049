"""Python goes over the parameters one by one in every step.

A moving average of the weights, gradients clipped or updated by hand: a loop over ``model.parameters()`` calls a few
tiny operators for each tensor, and with a hundred tensors the calling takes longer than the arithmetic. Speaks on a
CPU when, outside of module, backward and optimizer, arithmetic is called for every one of at least 16 tensors, and the
time between the phases is at least 8 % of the step.

Cures: one call for all tensors: ``torch._foreach_lerp_`` (which ``torch.optim.swa_utils.AveragedModel`` uses with
``get_ema_multi_avg_fn``) for averages, ``torch.nn.utils.clip_grad_norm_`` for clipping, a ``torch.optim`` optimizer for updates.

How the gain is told. Of the time between the phases 80 to 100 % is taken for the loop, and of that goes what was measured with 100
tensors (torch 2.13, one thread): averages made anew for each tensor 90 to 93 % with small tensors and 60 % with 20,000
elements in each; averages in place 75 to 85 % and 34 %; clipping with ``.item()`` 47 to 58 % and 12 %.

It is silent where one call is made for all (an operator whose name begins with ``_foreach``), for tensors of more than
20,000 elements on average, which gain little, and on a GPU, whose case was not measured.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Interval
from ..host_work import is_on_cpu, operators
from ..what_if import ms, percent, phase_seconds, step_seconds

# With ten tensors the gain was little (clipping: none).
MIN_TENSORS = 16
MIN_SHARE = 0.08
MIN_SAVES = 0.04
MOST_ELEMENTS = 20_000
# Up to this many elements a tensor counts as small.
SMALL = 4_000
# Parameters without a gradient and the like: calls may fall short of the tensors' number by so much.
TOLERANCE = 0.1
ARITHMETIC = ("mul", "add", "sub", "div", "lerp", "addcmul", "addcdiv", "linalg_vector_norm", "norm", "pow", "square",
              "sqrt", "clamp")  # fmt: skip
NORMS = ("aten::norm", "aten::linalg_vector_norm")
OF_GAP = (0.80, 1.0)
# Fraction of the loop that one call saves, for small tensors and for the others.
ANEW, IN_PLACE, CLIPPING = ((0.78, 0.93), (0.55, 0.88)), ((0.65, 0.86), (0.30, 0.70)), ((0.40, 0.60), (0.10, 0.45))
LINK = "https://docs.pytorch.org/docs/stable/optim.html#weight-averaging-swa-and-ema"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    model: Row,
    host_operators: list[Row],
    script_facts: list[Row] | None = None,
) -> Finding | None:
    """Judge loops over parameters."""
    step, gap = step_seconds(breakdown), phase_seconds(breakdown, "other", "prepare")
    tensors = int(model.get("parameter_tensors") or 0)
    if not step or gap / step < MIN_SHARE or tensors < MIN_TENSORS or not is_on_cpu(model):
        return None
    outside = [row for row in operators(host_operators) if row.get("module") is None]
    elements = (model.get("parameters") or 0) / tensors
    if elements > MOST_ELEMENTS or any("_foreach_" in str(row["name"]) for row in outside):
        return None
    loop = [row for row in outside if _is_for_each(row, tensors)]
    if not loop:
        return None
    kind = _kind(loop, tensors)[0 if elements <= SMALL else 1]
    gain = Interval(low=OF_GAP[0] * kind[0] * gap / step, high=OF_GAP[1] * kind[1] * gap / step)
    return None if gain.low < MIN_SAVES else _finding(gain, gap, step, tensors, loop, script_facts or [])


def _is_for_each(row: Row, tensors: int) -> bool:
    """Whether *row* is arithmetic that is called once, or a few times, for each of so many tensors."""
    name = str(row["name"]).removeprefix("aten::")
    each = row["calls_per_step"] / tensors
    times = max(1, round(each))
    return name.rstrip("_") in ARITHMETIC and times <= 8 and abs(each - times) <= TOLERANCE * times


def _kind(loop: list[Row], tensors: int) -> tuple[tuple[float, float], tuple[float, float]]:
    if any(row["name"] in NORMS for row in loop):
        return CLIPPING
    per_tensor = sum(row["calls_per_step"] for row in loop) / tensors
    return ANEW if per_tensor >= 3 - TOLERANCE and not any(str(row["name"]).endswith("_") for row in loop) else IN_PLACE


def _finding(gain: Interval, gap: float, step: float, tensors: int, loop: list[Row], facts: list[Row]) -> Finding:
    calls = sum(row["calls_per_step"] for row in loop)
    evidence: Row = {
        "between the phases": f"{ms(gap)} of the {ms(step)} step ({percent(gap / step)})",
        "parameter tensors": tensors,
        "calls there, per step": f"{calls:.0f} ({', '.join(sorted({str(row['name']) for row in loop}))})",
    }
    where = next((fact for fact in facts if fact.get("fact") == "per-parameter-loop"), None)
    if where:
        evidence["line"] = f"{where['file']}:{where['line']}: {where['code']}"
    clipping = any(row["name"] in NORMS for row in loop)
    return Finding(
        rule="per_parameter",
        cause="python",
        title="Treat all parameters in one call, not one by one",
        evidence=evidence,
        saves=gain,
        confidence="high" if where else "medium",
        fix=None,
        how="torch.nn.utils.clip_grad_norm_(model.parameters(), max_norm)"
        if clipping
        else "with torch.no_grad():\n"
        "    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)",
        links=[LINK],
        takes={"other": 1.0},
    )
