"""A screening: fixes switched on and off in turn within one process, so that their steps can be compared with those beside them.

The fixes of the run that can be switched are off until the steps are steady. From there on the plain script and one fix after
another take turns, a stretch of so many steps each: plain, fix, plain, next fix … Every fix has plain stretches on both sides,
and the order of the fixes is drawn anew in each round, from a fixed seed. The first round is a warm-up, in which compilers and
searches are paid for. What was on in which steps is a fact; `tune.screen` judges what it means.
"""

import random
import statistics

# Rounds after the warm-up: at least, and at most; in between the time decides.
LEAST_ROUNDS, MOST_ROUNDS = 6, 16
# After a switch weights are laid out anew, caches refill and the device still works through its queue: so many steps, or so
# much of a stretch, count for nothing.
SETTLING_STEPS, SETTLING_SHARE = 3, 0.25
# What takes so many times as long as the plain stretches on both sides, in so many rounds running, gets no more turns: they
# would be the longest of all. Not at once: a neighbour that comes and goes slows two threads down by ten times, and one not at all.
SLOWER, STRIKES = 1.3, 3
# A stretch that takes so many times as long as it should is cut short, once it has this many steps to be judged by.
PATIENCE, LEAST_STEPS = 3.0, 2
SEED = 0


class Screening:
    """Takes the turns, at step boundaries."""

    paused_ns = 0  # it never waits

    def __init__(self, session):
        """Switch off what can be switched; what cannot be stays on in every stretch."""
        self._session = session
        self._steps = session.options.screen_steps
        self._settling = max(SETTLING_STEPS, int(SETTLING_SHARE * self._steps))
        self._fixes = [patch for patch in session.patches if patch.screened and patch.active]
        self._forget()
        for patch in self._fixes:
            _switch(patch, False)

    def _forget(self):
        self._turns = self._on = self._from = None
        self._round = self._due = self._acted = 0
        self._plain_ns = None  # the median step of the last plain stretch
        self._last = None  # the fix whose stretch came before, with its median step and that of the plain one before it
        self._strikes = {}

    def abandon(self):
        """Begin anew at the next look: another clock ends the steps, or this is a forked child."""
        if self._on is not None:
            _switch(self._on, False)
        self._forget()

    def look(self, step, at_ns):
        """Called at step boundaries once these are steady: the step to be called again at, None when it is over."""
        self._now_ns = at_ns
        if self._turns is None:
            self._began_ns, self._turns = at_ns, self._order()
            self._plain_ns = self._median_step(len(self._session.recent))
            return self._turn(step)
        if self._from is None:
            if step >= self._due:
                self._from, self._due = (step, at_ns), step + self._steps
            return self._due
        if step < self._due and not self._takes_too_long(step):
            return self._due
        self._close(step)
        return self._turn(step)

    # -- turns -----------------------------------------------------------------------------------------------------

    def _order(self):
        """Whose turn it is: (fix, or None for the plain script; number of the round)."""
        yield None, 0
        chance, last, number = random.Random(SEED), None, 0  # noqa: S311  an order, no secret
        while self._goes_on(number):
            fixes = chance.sample(self._fixes, len(self._fixes))
            if len(fixes) > 1 and fixes[0] is last:
                fixes.append(fixes.pop(0))  # twice running it would be compared with one plain stretch twice
            for patch in fixes:
                if patch in self._fixes:
                    yield patch, number
                    yield None, number
                    last = patch
            number += 1

    def _goes_on(self, number):
        late = self._now_ns - self._began_ns >= self._session.options.screen_seconds * 1e9
        return bool(self._fixes) and number <= (LEAST_ROUNDS if late else MOST_ROUNDS)

    def _turn(self, step):
        """The next stretch; returns the step at which its settling is over."""
        if self._on is not None:
            _switch(self._on, False)
        self._fixes = [patch for patch in self._fixes if patch.placed]  # one may have taken itself off
        following = next(self._turns, None)
        self._on = None
        if following is None:
            return None
        self._on, self._round = following
        self._session.fact("screen-turn", fix=self._name(), round=self._round)
        self._acted = 0
        if self._on is not None:
            self._acted = self._on.count
            _switch(self._on, True)
        self._from, self._due = None, step + self._settling
        return self._due

    def _takes_too_long(self, step):
        (began, began_ns), planned_ns = self._from, self._steps * self._plain_ns
        return step - began >= LEAST_STEPS and self._now_ns - began_ns > PATIENCE * planned_ns

    def _name(self):
        return None if self._on is None else self._on.name

    # -- a stretch is over -----------------------------------------------------------------------------------------

    def _close(self, step):
        (began, began_ns), patch = self._from, self._on
        if patch is not None and not patch.placed:
            return  # it broke meanwhile: these steps are neither with it nor without
        acted = 0 if patch is None else patch.count - self._acted
        self._session.fact(
            "screen-stretch",
            fix=self._name(),
            round=self._round,
            from_ns=began_ns,
            to_ns=self._now_ns,
            steps=step - began,
            acted=acted,
        )
        median = self._median_step(step - began)
        if patch is None:
            self._judge_last(median)
            self._plain_ns = median
        elif acted:
            self._last = patch, median, self._plain_ns
        else:
            self._leave_out(patch, "it did nothing in %d steps" % (step - began))

    def _median_step(self, count):
        ends = list(self._session.recent)[-count - 1 :]
        return statistics.median([later - earlier for earlier, later in zip(ends, ends[1:])])

    def _judge_last(self, after_ns):
        """The fix before this plain stretch: is it so slow that it is not worth another turn?"""
        if self._last is None:
            return
        (patch, own_ns, before_ns), self._last = self._last, None
        times = own_ns / max(before_ns, after_ns)
        if not self._round:
            return  # the warm-up's
        self._strikes[patch] = [*self._strikes.get(patch, ()), times] if times > SLOWER else []
        if len(self._strikes[patch]) >= STRIKES:
            self._leave_out(patch, "slower", min(self._strikes[patch]))

    def _leave_out(self, patch, reason, times=None):
        self._fixes = [each for each in self._fixes if each is not patch]
        self._session.fact("screen-out", fix=patch.name, reason=reason, times=times)


def _switch(patch, on):
    """Never raises: a fix that cannot be switched takes itself off, and says why."""
    if not patch.placed:
        return
    try:
        if on:
            patch.on()
            patch.begin()
        else:
            patch.off()
    except Exception as error:
        patch.failed(error)
