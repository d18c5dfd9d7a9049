"""The state of one rule over one metric: ok, pending, firing, resolved, no-data.

::

    ok ──beyond──▶ pending ──for_s and breaches──▶ firing ──keep_firing_s and clears──▶ resolved
     ◀──back or between──┘                            └── a value between the levels, or none at all, changes nothing

Only the times in the data decide: what became due between two calls has the time at which it was due, however late the call comes.
So a run that is played again gives the same changes at the same times.
"""

from __future__ import annotations

from typing import NamedTuple

from ...model.monitoring import AlertState
from .rules import NS_PER_S, Rule


class Change(NamedTuple):
    """A change that others hear of: firing, resolved, no-data, ok (after a no-data that nobody was told of)."""

    state: AlertState
    time_ns: int
    #: When the trouble began.
    since_ns: int
    #: How long it had been firing, or without data.
    duration_s: float


class Machine:
    """One rule over one metric. Times are UTC ns and do not go back (one that does changes nothing sooner)."""

    def __init__(self, rule: Rule) -> None:
        self.state: AlertState = "ok"
        self._for_ns = round(rule.for_s * NS_PER_S)
        self._keep_ns = round(rule.keep_firing_s * NS_PER_S)
        self._min_breaches, self._min_clears = rule.breaches, rule.clears
        self.breaches = self.clears = 0
        #: When the present trouble began; since when it is firing or without data.
        self._since_ns = self._told_ns = 0
        #: When the count of values beyond was full; when the trouble began to be over, and when that count was full.
        self._enough_ns = self._back_ns = self._cleared_ns = 0

    def restore(self, state: AlertState, since_ns: int, told_ns: int) -> None:
        """Go on from what an earlier process recorded."""
        self.state, self._since_ns, self._told_ns = state, since_ns, told_ns
        self.breaches = self._min_breaches if state == "firing" else 0

    # -- what a value, event or status says

    def beyond(self, time_ns: int) -> Change | None:
        """Trouble at *time_ns*."""
        self.clears = 0
        self.breaches += 1
        if self.state == "firing":
            return None
        if self.breaches == 1:
            self._since_ns = time_ns
        if self.breaches == self._min_breaches:
            self._enough_ns = time_ns
        self.state = "pending"
        return self.advance(time_ns)

    def between(self) -> None:
        """Neither beyond the level nor back: what fires goes on, what was pending begins anew."""
        self.clears = 0
        if self.state != "firing":
            self._calm()

    def back(self, time_ns: int) -> Change | None:
        """No trouble at *time_ns*."""
        if self.state != "firing":
            self._calm()
            return None
        self.breaches = 0
        self.clears += 1
        if self.clears == 1:
            self._back_ns = time_ns
        if self.clears == self._min_clears:
            self._cleared_ns = time_ns
        return self.advance(time_ns)

    def again(self, time_ns: int) -> Change:
        """It fires already, and has become worse at *time_ns*."""
        return self._change(time_ns)

    # -- absence

    def absent(self, time_ns: int, since_ns: int) -> Change | None:
        """No value since *since_ns*, which is too long at *time_ns*."""
        if self.state == "no-data":
            return None
        self.state, self._since_ns, self._told_ns = "no-data", since_ns, time_ns
        return Change("no-data", time_ns, since_ns, 0.0)

    def present(self, time_ns: int, *, told: bool) -> Change | None:
        """A value again, or none is expected any more."""
        if self.state != "no-data":
            return None
        self.state = "resolved" if told else "ok"
        return self._change(time_ns)

    # -- time

    @property
    def due_ns(self) -> int | None:
        """When time alone will change the state; None if it will not."""
        if self.state == "pending" and self.breaches >= self._min_breaches:
            return max(self._since_ns + self._for_ns, self._enough_ns)
        if self.state == "firing" and self.clears >= self._min_clears:
            return max(self._back_ns + self._keep_ns, self._cleared_ns)
        return None

    def advance(self, time_ns: int) -> Change | None:
        """What became due up to *time_ns*."""
        due_ns = self.due_ns
        if due_ns is None or due_ns > time_ns:
            return None
        if self.state == "pending":
            self.state, self._told_ns = "firing", due_ns
            return Change("firing", due_ns, self._since_ns, 0.0)
        self.state = "resolved"
        self.breaches = self.clears = 0
        return self._change(due_ns)

    def _change(self, time_ns: int) -> Change:
        return Change(self.state, time_ns, self._since_ns, max(0, time_ns - self._told_ns) / NS_PER_S)

    def _calm(self) -> None:
        self.breaches = self.clears = 0
        if self.state == "pending":
            self.state = "ok"
