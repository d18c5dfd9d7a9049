"""What a reader of a comparison has to know besides: how sure it can be, what is not known, and what disturbed it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import facts, metrics, parts, price

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .price import Price
    from .sides import Side

# A division that rests on fewer traced steps than this can be off by what happened in them.
ENOUGH_TRACED = 3
# Others that take this share of the cores slow what computes there.
CROWDED = 0.25
ONE_RUN = "one run a side: its own steps bound the figures; a second run of each would tell the scatter between processes (--group puts repeats together)"
NO_INTERVAL = "an imported trace does not tell how its steps scatter, nor of which code it is"
NOT_KNOWN_CODE = "the code may not be the same: changes that were not committed"


def notes(found: Sequence[Side], prices: Sequence[Price], levels: Sequence[str | None]) -> list[str]:
    """What a reader has to know besides."""
    told = (
        [ONE_RUN] if any(len(side.steps_s) == 1 and side.first["steps"].get("median_low_s") for side in found) else []
    )
    told += [NO_INTERVAL] if any(facts.is_import(side.first) for side in found) else []
    told += _of_one_run(found)
    told += _of_code(found)
    told += _of_crowd(found)
    told += _of_level(found, levels)
    told += _of_few_steps(found)
    told += _of_prices(found, prices)
    return [*told, *(_stretched(side, far) for side in found if (far := _far(side)))]


def _of_one_run(found: Sequence[Side]) -> list[str]:
    """Sides that are one and the same run."""
    numbers: dict[str, list[str]] = {}
    for side in found:
        numbers.setdefault(side.first["run"]["id"], []).append(str(side.number))
    return [f"{' and '.join(same)} are the same run" for same in numbers.values() if len(same) > 1]


def _of_prices(found: Sequence[Side], prices: Sequence[Price]) -> list[str]:
    """Prices that are of nothing here, and sides that have a price and no cost."""
    told = [f"no run's device answers to the price of {key!r}" for key in price.unused(found, prices)]
    costly = [side for side in found if price.usd_per_hour(side, prices) is not None and not side.batch]
    which = ", ".join(str(side.number) for side in costly)
    return [*told, *([f"no cost of {which}: how many samples a step has is not known"] if costly else [])]


def _of_code(found: Sequence[Side]) -> list[str]:
    """That nobody can tell whether the code is the same, where its changes were not committed; of one run twice it is."""
    runs = {side.first["run"]["id"] for side in found}
    dirty = [side.number for side in found if side.first["run"]["git"].get("dirty")]
    return [f"{NOT_KNOWN_CODE} ({', '.join(map(str, dirty))})"] if dirty and len(runs) > 1 else []


def _of_crowd(found: Sequence[Side]) -> list[str]:
    """That other processes had much of the machine while sides ran."""
    others = {side.number: side.value(metrics.at("utilization", "others_cores")) for side in found}
    usable = {side.number: side.value(metrics.at("utilization", "usable_cores")) for side in found}
    crowded = [number for number, cores in others.items() if cores and cores >= CROWDED * (usable[number] or cores)]
    if not crowded:
        return []
    which, cores = " and ".join(map(str, crowded)), " and ".join(f"{others[number]:.1f}" for number in crowded)
    return [f"while {which} ran, other processes kept {cores} cores busy: in quiet they may compare otherwise"]


def _of_few_steps(found: Sequence[Side]) -> list[str]:
    """Processors whose steps are divided by very few traced ones."""
    few = {side.number: side.first["trace"].get("steps") for side in found if parts.stretched(side.first)}
    told = [f"{number} ({steps})" for number, steps in few.items() if steps and steps < ENOUGH_TRACED]
    return (
        [
            f"few steps were traced of {', '.join(told)}: its parts may be those of unusual ones (--trace-steps takes more)"
        ]
        if told
        else []
    )


def _of_level(found: Sequence[Side], levels: Sequence[str | None]) -> list[str]:
    """That some steps could not be divided by what they do."""
    untraced = [side.number for side in found if side.step_s is not None and parts.level_of(side.first) != "traced"]
    if not untraced or not {"phases", "step"} & set(levels):
        return []
    which = ", ".join(map(str, untraced))
    return [
        f"without a trace of {which} a step is divided by its phases at best: it is told where the time goes, not into what"
    ]


def _far(side: Side) -> float | None:
    """By how much the traced operators had to be stretched or shrunk, where that is far."""
    found = parts.stretched(side.first)
    return found if found and not 1 / parts.FAR <= found <= parts.FAR else None


def _stretched(side: Side, factor: float) -> str:
    return f"of {side.number} the plain steps take {factor:.2f} times as long as the traced operators, and are divided in their proportions"
