"""What a million samples cost, from prices that a person gives: ``h100=2.5`` in dollars an hour."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..errors import UsageError
from . import facts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .sides import Side

Row = dict[str, Any]

_PRICE = re.compile(r"(?P<key>[^=]+)=\s*\$?(?P<usd>\d+(\.\d*)?|\.\d+)\s*(/?h)?")
PROCESSOR = "cpu"
HOUR_S = 3600.0
MILLION = 1e6


@dataclass(frozen=True, kw_only=True)
class Price:
    """Dollars an hour of one device whose name has *key* in it; of the host (``cpu``) or of all that a run takes (its number)."""

    key: str
    usd_per_hour: float

    @property
    def of_run(self) -> int | None:
        """The number of the run whose whole price it is."""
        return int(self.key) if self.key.isdigit() else None


def parse(text: str) -> Price:
    """``h100=2.5``. Raises UsageError."""
    found = _PRICE.fullmatch(text.strip())
    if not found:
        raise UsageError(
            f"--price {text!r} is no price; write a device, the word cpu or a run's number, and dollars an hour: --price h100=2.5"
        )
    return Price(key=found["key"].strip().lower(), usd_per_hour=float(found["usd"]))


def usd_per_hour(side: Side, prices: Sequence[Price]) -> float | None:
    """What *side* costs an hour: by its number, else by its device, once for every rank, or by its host where that computes."""
    for price in prices:
        if price.of_run is not None and price.of_run in side.runs:
            return price.usd_per_hour
    found = facts.accelerator(side.first)
    if found is None:
        return next((price.usd_per_hour for price in prices if _is_host(price, side)), None)
    each = next((price.usd_per_hour for price in prices if _named(price.key, str(found["name"]))), None)
    return each * facts.ranks(side.first) if each is not None else None


def _is_host(price: Price, side: Side) -> bool:
    return price.key == PROCESSOR or _named(price.key, facts.device_name(side.first) or "")


def _named(key: str, name: str) -> bool:
    """Whether all words of *key* are in a device's *name*."""
    words, within = re.findall(r"[a-z0-9]+", key), re.sub(r"[^a-z0-9]", "", name.lower())
    return bool(words) and not key.isdigit() and all(word in within for word in words)


def unused(sides: Sequence[Side], prices: Sequence[Price]) -> list[str]:
    """Prices that are of nothing here."""
    return [price.key for price in prices if all(usd_per_hour(side, [price]) is None for side in sides)]


def usd_per_million(side: Side, usd_an_hour: float) -> float | None:
    """Dollars for a million samples, all ranks together."""
    step, batch = side.step_s, side.batch
    if not step or not batch:
        return None
    return usd_an_hour / HOUR_S * step / (batch * facts.ranks(side.first)) * MILLION
