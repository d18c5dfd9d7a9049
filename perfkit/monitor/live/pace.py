"""How many points a run's record may get: all at first, fewer as it grows old, and never more than they may cost.

A point is some 150 bytes and every detector looks at it. Scripts make from one step in minutes to thousands a second, for minutes or for
weeks; so there is a stock of points that is spent in proportion to what is left of it and grows again slowly. Steps that get no point of
their own share one: the mean of their losses and times. (The marks keep every step.)
"""

from __future__ import annotations

# In stock at the start, and what grows back: about 40 MB for the first and a day's 26 MB for the rest.
STOCK, PER_S = 20_000, 2.0
# What is left in stock is spent over so many seconds, so the greatest rate is 202 points a second, and PER_S in the long run.
HORIZON_S = 100.0
# What a look at the marks may cost, as a part of one core, and how often one is made at the most and at the least.
OWN_SHARE = 0.02
SHORTEST_S, LONGEST_S = 0.2, 2.0


class Pace:
    """Says when to look, and for how many points. Times in seconds of any steady clock."""

    def __init__(self, now_s: float) -> None:
        self._stock = float(STOCK)
        self._at_s = now_s
        self._due_s = now_s
        self._given = 0
        self._warm = False
        self._per_point_s = 0.0  # what a look has cost lately, for each of its points

    def due(self, now_s: float) -> bool:
        """Whether to look now."""
        return now_s >= self._due_s

    def points(self, now_s: float) -> int:
        """How many points may be made now, of all that has come since the last call; at least one."""
        passed = max(0.0, now_s - self._at_s)
        self._at_s = now_s
        rate = PER_S + self._stock / HORIZON_S
        if self._per_point_s:
            rate = min(rate, max(PER_S, OWN_SHARE / self._per_point_s))
        allowed = max(1, round(rate * passed))
        self._stock = min(float(STOCK), max(0.0, self._stock + PER_S * passed - allowed))
        self._given = allowed
        return allowed

    def cost(self, now_s: float, cost_s: float) -> None:
        """A look has cost so much: the next one is due when that is OWN_SHARE of the time, and gets as many points as that allows."""
        if self._given and not self._warm:  # the first look imports what it needs
            self._warm = True
        elif self._given:
            self._per_point_s = (
                (self._per_point_s + cost_s / self._given) / 2 if self._per_point_s else cost_s / self._given
            )
        self._due_s = now_s + min(LONGEST_S, max(SHORTEST_S, cost_s / OWN_SHARE))
        self._given = 0
