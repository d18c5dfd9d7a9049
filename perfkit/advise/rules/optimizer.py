"""The optimizer walks over its tensors one by one.

On a CPU torch updates one tensor after the other, several small operations for each, unless told otherwise. Speaks
when the optimizer's phase is a share of the step worth having and a better implementation would save at least 4 % of
the step.

Cures: ``fused=True`` for Adam, AdamW, SGD and Adagrad, one operator for everything; ``foreach=True`` for others, but
only where the tensors are small.

How the gain is told. The phase becomes shorter by the ratio of two costs that were measured (one thread of an AVX-512
processor, torch 2.13, 8 to 400 tensors of 64 to a million elements): so much per tensor and so much per element, for
the loop and for its better. Adam with small tensors: 17 µs each in the loop, 3 µs fused; with large ones, of which
memory sets the pace, the fused operator still took 55 to 75 % less, since it reads everything once.

It is silent where ``fused`` or ``foreach`` was chosen, for a compiled optimizer, for float64 or mixed devices it does
not know, on a GPU (the rule fused_optimizer judges that), and where the better one would be no better: plain SGD with large tensors
(measured: nothing), and ``foreach`` with tensors beyond 2000 elements, which took up to twice as *long* as the loop
(RMSprop and NAdam, 100 tensors of 100,000).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...model.records import Finding, Fix, Interval
from ..host_work import is_on_cpu
from ..what_if import ms, percent, phase_seconds, step_seconds

MIN_SAVES = 0.04
# Below this the optimizer is not what a person should look at.
MIN_SHARE = 0.06


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Measured time of the loop and of what may replace it, in ns: per tensor, and per element with the elements in
    the processor's caches and out of them (loop, better).
    """

    loop_tensor: float
    better_tensor: float
    elements: tuple[tuple[float, float], ...]
    flag: str = "fused"


# Measured as the docstring says; ends of what was seen, not means.
_ADAM = Cost(loop_tensor=17e3, better_tensor=2.85e3, elements=((1.36, 0.63), (2.4, 1.13), (3.8, 1.11)))
COSTS = {
    "adam": _ADAM,
    "adamw": _ADAM,
    "adagrad": Cost(loop_tensor=11e3, better_tensor=2.9e3, elements=((1.2, 0.5), (1.43, 0.81))),
    "sgd": Cost(loop_tensor=1.4e3, better_tensor=0.75e3, elements=((0.33, 0.33), (0.4, 0.4))),
    "sgd with momentum": Cost(loop_tensor=4.6e3, better_tensor=1.05e3, elements=((0.54, 0.49), (1.2, 0.85))),
}
# All that has no fused version here: foreach against the loop, tensors of 1000 elements (RMSprop 13.6 → 7.4, Adagrad 12 → 9,
# NAdam 25 → 17 µs each).
FOREACH = dict.fromkeys(("rmsprop", "nadam", "radam", "adamax", "adadelta", "rprop", "asgd"), (0.25, 0.46))
MOST_FOR_FOREACH = 2000
# Calling a step at all: hooks, the profiler's label, the loop over groups.
STEP_NS = 20e3
# The rest of the phase (a scheduler in it, a scaler) stays; and what the loop threw out of the caches is no longer missed elsewhere
# (measured: a step with 42 % in AdamW became 36 % shorter, by 0.86 of its phase, where the costs alone say 0.81).
OF_PHASE = (0.85, 1.08)
LINK = "https://docs.pytorch.org/docs/stable/optim.html"

Row = dict[str, Any]


def check(breakdown: list[Row], optimizer: Row) -> Finding | None:
    """Judge the optimizer's implementation."""
    step, phase = step_seconds(breakdown), phase_seconds(breakdown, "optimizer")
    if not step or phase / step < MIN_SHARE or not _is_plain_loop(optimizer):
        return None
    found = _fraction(optimizer)
    if found is None:
        return None
    flag, fraction = found
    gain = Interval(low=OF_PHASE[0] * fraction.low * phase / step, high=OF_PHASE[1] * fraction.high * phase / step)
    if gain.low < MIN_SAVES:
        return None
    name = str(optimizer["class"]).rsplit(".", 1)[-1]
    return Finding(
        rule="optimizer",
        cause="optimizer",
        title=f"Update all tensors at once: {name}(…, {flag}=True)",
        evidence={
            "optimizer": f"{ms(phase)} of the {ms(step)} step ({percent(phase / step)})",
            "tensors": optimizer["tensors"],
            "elements in each, on average": round(_mean_elements(optimizer)),
        },
        saves=gain,
        confidence="high" if flag == "fused" else "medium",
        fix=Fix(name="optimizer", parameters={flag: True}),
        how=f"torch.optim.{name}(model.parameters(), …, {flag}=True)",
        links=[LINK],
    )


def _is_plain_loop(optimizer: Row) -> bool:
    """Whether it is one of torch's own on plain float32 tensors of the CPU, with nothing chosen."""
    dtypes = optimizer.get("dtypes") or {}
    chosen = any(optimizer.get(key) for key in ("fused", "foreach", "compiled", "capturable"))
    return (
        not chosen
        and str(optimizer.get("class")).startswith("torch.optim.")
        and is_on_cpu(optimizer)
        and set(dtypes) == {"float32"}
        and bool(optimizer.get("tensors"))
    )


def _mean_elements(optimizer: Row) -> float:
    return float(optimizer.get("elements") or 0) / float(optimizer["tensors"])


def _fraction(optimizer: Row) -> tuple[str, Interval] | None:
    """Which flag, and what fraction of the phase it saves."""
    name = str(optimizer["class"]).rsplit(".", 1)[-1].lower()
    if name in FOREACH:
        low, high = FOREACH[name]
        return ("foreach", Interval(low=low, high=high)) if _mean_elements(optimizer) <= MOST_FOR_FOREACH else None
    if name == "sgd" and optimizer.get("state_bytes"):
        name = "sgd with momentum"
    cost = COSTS.get(name)
    return (cost.flag, _saved(cost, optimizer)) if cost else None


def _saved(cost: Cost, optimizer: Row) -> Interval:
    tensors, elements = float(optimizer["tensors"]), float(optimizer.get("elements") or 0)
    fractions = []
    for loop, better in cost.elements:
        before = STEP_NS + tensors * cost.loop_tensor + elements * loop
        after = STEP_NS + tensors * cost.better_tensor + elements * better
        fractions.append(1 - after / before)
    return Interval(low=min(fractions), high=max(fractions))
