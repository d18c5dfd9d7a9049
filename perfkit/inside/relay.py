"""Legs of a relay: this process and others take turns, one running and the rest stopped, so that what slows the machine
down for a while slows all of them down alike.

Once its steps are steady the process stops itself, and its workers with it: whatever they prepared meanwhile would be a present. Each
time it is continued it runs one leg, settles first (caches have to be refilled) and then counts so many steps. The legs are facts, and so
are the pauses between them; `launch.relay` says whose turn it is.
"""

import os

from ..runs import layout
from ..runs.baton import Baton
from .session import now_ns

# Steps that count for nothing after a pause: at least so many, and for at least so long.
SETTLING_STEPS, SETTLING_NS = 2, 15_000_000
# A leg that takes so many times as long as it was meant to is over once it has steps enough to be judged by.
PATIENCE, LEAST_STEPS = 3.0, 2


class Relay:
    """Runs the legs, at step boundaries."""

    def __init__(self, session):
        options = session.options
        self._session, self._steps, self._legs = session, options.leg_steps, options.legs
        self._most_ns = PATIENCE * options.leg_seconds * 1e9
        self._baton = Baton(os.path.join(session.recorder.run_dir, layout.CONTROL, layout.CONTROL_LEG_OVER))
        self.paused_ns = 0
        self._forget()

    def _forget(self):
        self._run = 0
        self._resumed = self._from = None  # (step, ns)

    def abandon(self):
        """Begin anew at the next look: another clock ends the steps, or this is a forked child."""
        self._forget()

    def look(self, step, at_ns):
        """Called at step boundaries once these are steady: the step to be called again at, None when the last leg is over."""
        if self._resumed is None:
            return self._hand_over(step)
        if self._from is None:
            if step - self._resumed[0] < SETTLING_STEPS or at_ns - self._resumed[1] < SETTLING_NS:
                return step + 1
            self._from = step, at_ns
            return self._next(step)
        began, began_ns = self._from
        if step - began < self._steps and not self._takes_too_long(step, at_ns):
            return self._next(step)
        self._session.fact("leg", leg=self._run, from_ns=began_ns, to_ns=at_ns, steps=step - began)
        self._run += 1
        return None if self._run >= self._legs else self._hand_over(step)

    def _next(self, step):
        """Where steps are long each is looked at: one may take too long."""
        return min(self._from[0] + self._steps, step + max(LEAST_STEPS, self._steps // 4))

    def _takes_too_long(self, step, at_ns):
        began, began_ns = self._from
        return step - began >= LEAST_STEPS and at_ns - began_ns > self._most_ns

    # -- between legs ----------------------------------------------------------------------------------------------

    def _hand_over(self, step):
        """Stop, with all that belongs to us, until it is our turn again; None when there will be no further turn."""
        began = now_ns()
        goes_on = self._baton.hand_over()
        now = now_ns()
        self.paused_ns += now - began
        self._session.fact("pause", from_ns=began, to_ns=now)
        self._resumed, self._from = (step, now), None
        return step + 1 if goes_on else None
