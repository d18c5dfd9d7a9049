"""What a person calls each side: the facts that tell it from the others, in few words."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from . import differences

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sides import Side

#: Facts that make a name, the most telling first, and how they are written.
_NAMING = {
    "device": "{}",
    "precision": "{}",
    "threads": "{} threads",
    "batch": "batch {}",
    "ranks": "{} ranks",
    "loader workers": "{} loader workers",
    "optimizer": "{}",
    "fixes": "with {}",
    "script": "{}",
    "arguments": "{}",
    "code": "at {}",
    "torch": "torch {}",
    "processor": "{}",
}
MOST_FACTS = 3
LONGEST = 48


def labelled(sides: Sequence[Side]) -> list[Side]:
    """*sides* with a label each: up to three facts in which they differ, else the run's own name."""
    telling = [name for name in _NAMING if _differs(name, sides)]
    return [replace(side, label=_label(side, telling)) for side in sides]


def _differs(name: str, sides: Sequence[Side]) -> bool:
    """Whether the sides that tell it do not all tell the same. What a machine is called is said once."""
    values = {_said(name, side) for side in sides} - {None}
    return len(values) > 1 and not (name == "processor" and _differs("device", sides))


def _said(name: str, side: Side) -> str | None:
    value = differences.BY_NAME[name].read(side.first)
    if value is None or (name == "fixes" and value == "none"):
        return "as it is" if value is not None else None
    return f"{value:g}" if isinstance(value, float) else str(value)


def _label(side: Side, telling: Sequence[str]) -> str:
    told = [(name, said) for name in telling if (said := _said(name, side))]
    words = [said if said == "as it is" else _NAMING[name].format(said) for name, said in told[:MOST_FACTS]]
    words = [word.removesuffix("s") if word.startswith("1 ") else word for word in words]
    text = " · ".join(words) or str(side.first["run"]["id"])
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
