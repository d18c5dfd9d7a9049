"""The document of `perfkit compare A B …`: runs side by side, and by what each differs from the first. Made from the runs' documents alone."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import causes, differences, facts, headline, labels, likeness, notes, operators, parts, rows, sides

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .causes import Explained
    from .likeness import Unlike
    from .price import Price
    from .scatter import Shift
    from .sides import Side

Row = dict[str, Any]

SCHEMA_VERSION = 1


def compare(documents: Sequence[Row], *, prices: Sequence[Price] = (), group: bool = False) -> Row:
    """The document: schema_version, runs, sides, per, rows, against, causes, operators, unlike, differs, headline, notes.

    *documents* are of two runs or more; every one after the first is compared with it. With *group*, runs of one configuration are one side.
    Raises UsageError for fewer than two sides.
    """
    found = labels.labelled(sides.sides(documents, group=group))
    if len(found) < 2:
        raise UsageError("all of these runs are of one configuration: there is nothing to compare them with")
    per_sample = likeness.per_sample(found)
    first, others = found[0], found[1:]
    unlike = [one for side in others for one in likeness.unlike(first, side)]
    compared = [_against(first, side, unlike, per_sample=per_sample) for side in others]
    return {
        "schema_version": SCHEMA_VERSION,
        "runs": [_run(document, number, found) for number, document in enumerate(documents, 1)],
        "sides": [_side(side) for side in found],
        "per": "sample" if per_sample else "step",
        "rows": rows.rows(found, prices),
        "against": [row for row, _ in compared],
        "causes": [cause for _, made in compared for cause in made],
        "operators": operators.aligned(found, per_sample=per_sample),
        "unlike": [asdict(one) for one in unlike],
        "differs": [_differs(first, side) for side in others],
        "headline": _headline(found, [row for row, _ in compared]),
        "notes": notes.notes(found, prices, [row["level"] for row, _ in compared]),
    }


def is_refused(document: Row) -> bool:
    """Whether any two of its sides cannot be compared."""
    return any(row["level"] == "refused" for row in document["unlike"])


def _run(document: Row, number: int, found: Sequence[Side]) -> Row:
    told = document["run"]
    return {
        "number": number,
        "side": next(side.number for side in found if number in side.runs),
        "id": told["id"],
        "path": told["path"],
        "command": told["command"],
        "status": told["status"],
        "origin": told["origin"],
        "mode": document["mode"],
        "device": facts.device_name(document),
        "step_s": parts.step_s(document),
        "steady_count": document["steps"].get("steady_count"),
        "level": parts.level_of(document),
    }


def _side(side: Side) -> Row:
    return {
        "number": side.number,
        "label": side.label,
        "runs": list(side.runs),
        "device": facts.device_name(side.first),
        "step_s": side.step_s,
        "samples_per_step": side.batch,
        "traced_steps": side.first["trace"].get("steps"),
        "stretched": parts.stretched(side.first),
        "reason": None if side.step_s is not None else side.why_untimed,
    }


def _against(first: Side, side: Side, unlike: Sequence[Unlike], *, per_sample: bool) -> tuple[Row, list[Row]]:
    """How *side* compares with the *first*, and its causes."""
    refused = next((one for one in unlike if one.side == side.number and one.level == "refused"), None)
    shift = None if refused else sides.ratio(first, side, per_sample=per_sample)
    if refused or shift is None:
        return _row(first, side, "incomparable", f"not compared: {refused.text if refused else 'no step time'}"), []
    level = parts.common_level([*first.timed, *side.timed])
    found = causes.explain(first, side, level, per_sample=per_sample)
    verdict = headline.verdict(first, side, shift)
    text = headline.sentence(first, side, shift, found, verdict)
    made = [
        {"side": side.number, "against": first.number, **asdict(cause), "because": list(cause.because)}
        for cause in found.causes
    ]
    return {**_row(first, side, verdict, text, shift, found), "level": level}, made


def _row(
    first: Side, side: Side, verdict: str, text: str, shift: Shift | None = None, found: Explained | None = None
) -> Row:
    return {
        "side": side.number,
        "against": first.number,
        "verdict": verdict,
        "headline": text,
        "speedup": _speedup(shift) if shift else None,
        "method": shift.method if shift else None,
        "level": None,
        "before_s": found.before_s if found else None,
        "after_s": found.after_s if found else None,
        "difference_s": found.difference_s if found else None,
        "unexplained": {"seconds": found.unexplained_s, "points": found.unexplained_points} if found else None,
        "unreasoned": {"seconds": found.unreasoned_s, "points": found.unreasoned_points} if found else None,
    }


def _speedup(shift: Shift) -> Row:
    """Times as fast, with its interval; an end that nothing bounds is None."""
    low, high = math.exp(-shift.high), math.exp(-shift.low)
    return {
        "value": math.exp(-shift.value),
        "low": low if low > 0 else None,
        "high": high if math.isfinite(high) else None,
    }


def _differs(first: Side, side: Side) -> Row:
    """The facts in which the runs differ, whether or not they explain anything."""
    found = [one for one in differences.differences(first.first, side.first) if one.is_known]
    told = [
        {"fact": one.fact.name, "before": one.before, "after": one.after}
        for one in found
        if one.fact.name != differences.SOURCE
    ]
    return {"side": side.number, "against": first.number, "facts": told}


def _headline(found: Sequence[Side], compared: Sequence[Row]) -> str:
    """The sentence of the only comparison; of several which is the fastest, and its sentence."""
    known = [row for row in compared if row["speedup"]]
    if len(found) == 2 or not known:
        return str(compared[0]["headline"])
    best = max(known, key=lambda row: row["speedup"]["value"])
    if best["verdict"] == "faster":
        return f"{best['side']} is the fastest. {best['headline']}"
    return f"none is faster than {best['against']}" if best["verdict"] == "slower" else str(best["headline"])
