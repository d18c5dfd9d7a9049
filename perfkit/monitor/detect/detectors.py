"""Detectors of one series: charts over a conditioned series, an alarm once for each change, and its end."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Any

from ...errors import UsageError
from ...model.monitoring import Signal
from .arm import CHARTS, Arm
from .base import Allowance, Side
from .charts import Chart
from .conditioner import Conditioner
from .lasting import BLOCK, Lasting, Verdict

#: A change is over when the median of so many values is back in the usual range (its middle 80 %) and nearer to the middle of that than to
#: the changed level: of more values where the two are so near to each other that fewer could not tell, for which the mean must lie SURE
#: standard deviations apart; at most LONGEST.
BACK, SURE, LONGEST = 8, 10.0, 256
#: A change that comes again within so many values must be gone for twice as long before its end is told: no flapping.
QUIET = 1024
#: After so many values at a new level, that is what further changes are judged against; the end of the change is still told.
NEW_NORMAL = 512
#: Odd values within so many of each other are one event.
APART = 32
#: Of so many newest values at most the level is told.
TOLD = 64
#: Suspicions that `lasting` decides about may be so many times as frequent as alarms.
SUSPECTED = 30.0
#: How often the spending of the allowance is looked at.
_LOOK = 256


class SeriesDetector:
    """Charts over one series, combined, at one allowance of false alarms for all of them together.

    *quorum* charts must be over their thresholds at once: 1 is OR, their number is AND. Of m charts at quorum q each may spend q/m of
    the allowance: by Markov's inequality q of them are then over at once no more often than allowed. Odd values (charts of kind
    "anomaly") are told whatever the quorum, one value later, when it is clear that no change begins with them.
    With *trend* (a training figure, which follows a curve) lasting changes are suspected first and told when they hold; see `lasting`.
    A change by less than *least*, as a share of the level (0.05: 5 %), is none, however sure it is; one of twice that is found as another.
    """

    def __init__(
        self,
        charts: Sequence[str] = ("robust-z", "two-in-a-row", "cusum", "ewma"),
        *,
        allowance: Allowance | None = None,
        side: Side = "up",
        quorum: int = 1,
        trend: bool = False,
        log: bool = False,
        settle: bool = False,
        least: float = 0.0,
        warmup: int | None = None,
        name: str = "",
        seed: int = 0,
    ) -> None:
        unknown = [c for c in charts if c not in CHARTS]
        if unknown or not charts:
            raise UsageError(f"no detector {', '.join(unknown) or 'named'}; there are: {', '.join(CHARTS)}")
        if not 1 <= quorum <= len(charts):
            raise UsageError(f"a quorum of {quorum} among {len(charts)} detectors; use 1 to {len(charts)}")
        self.name = name or "+".join(charts)
        self._charts, self._quorum, self._side = tuple(charts), quorum, side
        self._allowance = allowance or Allowance()
        self._conditioning: dict[str, Any] = {
            "trend": trend,
            "log": log,
            "settle": settle,
            "seed": seed,
            "least": least,
        }
        if warmup is not None:
            self._conditioning["warmup"] = warmup
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._conditioner = Conditioner(**self._conditioning)
        self._arms = [
            Arm(1.0 if side == "up" else -1.0, [CHARTS[name]() for name in self._charts])
            for side in (("up", "down") if self._side == "both" else (self._side,))
        ]
        self._fits = self._look_at = 0
        self._index = -1
        self._alarm: Signal | None = None
        #: A change that has become the new normal, and has not ended.
        self._settled: Signal | None = None
        self._began = 0
        self._last_odd = -APART
        self._odd: Signal | None = None
        #: Where there is a curve, what charts find of lasting changes is suspected first.
        self._lasting = Lasting() if self._conditioning["trend"] else None
        self._suspected: Signal | None = None
        #: Newest values, for what is said of a change.
        self._values: deque[float] = deque(maxlen=TOLD)
        self._usual = (-math.inf, 0.0, math.inf)
        self._latest: deque[float] = deque(maxlen=BACK)
        #: Values whose median tells the end of the change (0: not known yet), where it must lie, when the one before ended, and how often
        #: changes have come and gone.
        self._wanted, self._limit = 0, 0.0
        self._ended, self._times = -QUIET, 0

    @property
    def firing(self) -> Signal | None:
        """The change that holds now."""
        return self._alarm

    def update(self, value: float, step: int | None = None) -> Signal | None:
        """Take the next value (finite)."""
        self._index += 1
        self._values.append(value)
        conditioner = self._conditioner
        alarm = self._alarm
        lasting = self._lasting
        pair = conditioner.push(value, learn=alarm is None and not (lasting and lasting.suspects))
        if alarm is not None:
            return self._held(value)
        if self._settled is not None and self._back_from(self._settled):
            return self._recovered(self._settled, value)
        verdict = lasting.push(conditioner.raw, conditioner.deviation) if lasting is not None else None
        if pair is None:
            return None
        if conditioner.fits != self._fits:
            self._refit()
        elif conditioner.learned is not None:
            for arm in self._arms:
                arm.learn(conditioner.learned)
        if self._index >= self._look_at:
            self._spend()
        r, z = pair
        if self._suspected is not None:
            for arm in self._arms:
                self._judged(arm, arm.odd(r, z), value)
            return self._decided(verdict, value) if verdict else None
        held, self._odd = self._odd, None
        found: Signal | None = None
        for arm in self._arms:
            over = arm.push(*(conditioner.beyond(arm.sign) if conditioner.slack else pair))
            if over:
                found = self._judged(arm, over, value) or found
        # A change that stays is told as that alone, not also by its first value.
        if self._lasting is not None and self._lasting.suspects:
            self._odd = held or self._odd
            return None
        return held if found is None and self._alarm is None else found

    def _judged(self, arm: Arm, over: list[tuple[Chart, float]], value: float) -> Signal | None:
        lasting = [pair for pair in over if pair[0].kind != "anomaly"]
        if lasting and len(lasting) >= min(self._quorum, arm.lasting):
            first = max(lasting, key=lambda pair: pair[1] / max(pair[0].threshold, 1e-9))
            signal = self._signal(arm, first, value, len(lasting))
            if self._lasting is None:
                return self._begun(signal)
            # It may be the curve's fault: the values that follow decide.
            self._suspected = signal
            self._lasting.suspect(first[0].ago, arm.sign, self._conditioner.scale)
            return None
        odd = [pair for pair in over if pair[0].kind == "anomaly"]
        if odd:
            apart = self._index - self._last_odd >= APART
            self._last_odd = self._index
            if apart:
                signal = self._signal(arm, odd[0], value, len(odd))
                if not arm.lasting:
                    return signal
                self._odd = signal
        return None

    def finish(self) -> Signal | None:
        """An odd value that was the last one."""
        held, self._odd = self._odd, None
        return held

    def _decided(self, verdict: Verdict, value: float) -> Signal | None:
        """The values that followed a suspicion have decided about it."""
        assert self._suspected is not None
        signal = self._suspected
        self._suspected, odd, self._odd = None, self._odd, None
        if verdict.holds:
            natural = self._conditioner.unlogged
            now, before = natural(verdict.level), natural(verdict.before)
            evidence = signal.evidence | {"value": value, "level": now, "level_before": before, "window": BLOCK}
            return self._begun(replace(signal, evidence=evidence))
        self._conditioner.readmit(verdict.values)
        for arm in self._arms:
            arm.restart()
        return odd

    def _begun(self, signal: Signal) -> Signal:
        self._alarm, self._began = signal, self._index
        if self._settled is None:
            self._usual = self._conditioner.usual
        self._settled = None
        self._times = min(6, self._times + 1) if self._index - self._ended < QUIET else 0
        self._latest = deque(maxlen=2 * BACK)
        self._wanted = 0
        self._conditioner.forget()
        return signal

    def _signal(self, arm: Arm, first: tuple[Chart, float], value: float, votes: int) -> Signal:
        chart, score = first
        low, middle, high = (self._conditioner.natural(end, value) for end in self._conditioner.usual)
        window = max(1, min(chart.ago, len(self._values)))
        return Signal(
            detector=chart.name,
            kind=chart.kind,
            score=score,
            threshold=chart.threshold,
            direction="up" if arm.sign > 0 else "down",
            since=max(0, self._index - max(0, chart.ago - 1)),
            evidence={
                "value": value,
                "level": median(list(self._values)[-window:]),
                "window": window,
                "usual_low": low,
                "usual": middle,
                "usual_high": high,
                "votes": votes,
                "order": self._conditioner.order,
            },
        )

    def _held(self, value: float) -> Signal | None:
        """While a change holds: is it over?"""
        alarm = self._alarm
        assert alarm is not None
        if self._back_from(alarm):
            return self._recovered(alarm, value)
        if self._index - self._began >= NEW_NORMAL:
            self._settle_down(alarm)
        return None

    def _back_from(self, alarm: Signal) -> bool:
        """Whether the newest values are in the range that was usual before *alarm*, and nearer to its middle than to the change."""
        latest = self._latest
        latest.append(self._conditioner.deviation)
        if self._wanted == 0:
            if len(latest) == BACK and not self._usual[0] <= (middle := median(latest)) <= self._usual[2]:
                self._weigh(middle)  # a large change is known soon
            elif len(latest) == 2 * BACK:
                self._weigh(median(latest))
            return False
        if len(latest) < self._wanted:
            return False
        if self._index % (self._wanted // BACK):
            return False
        middle = median(latest)
        return middle <= self._limit if alarm.direction == "up" else middle >= self._limit

    def _weigh(self, changed: float) -> None:
        """How many values it takes to tell the *changed* level from the usual one, and where between them the end lies."""
        low, centre, high = self._usual
        gap = changed - centre
        spread = (high - low) / 2.56  # between the 10 % and 90 % points of a normal distribution
        certain = math.ceil((SURE * spread / abs(gap)) ** 2) if gap else LONGEST
        self._wanted = min(LONGEST, max(BACK, certain) << self._times)
        self._latest = deque(self._latest, maxlen=self._wanted)
        self._limit = min(high, centre + gap / 2) if gap > 0 else max(low, centre + gap / 2)

    def _settle_down(self, alarm: Signal) -> None:
        """A change that has lasted is what further ones are judged against. Only where there is no curve can its end still be told."""
        self._settled = None if self._conditioning["trend"] else alarm
        self._alarm = None
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._conditioner = Conditioner(**self._conditioning | {"settle": False})
        self._lasting = Lasting() if self._lasting else None
        self._fits = 0
        for arm in self._arms:
            arm.restart()
            arm.refit(())

    def _recovered(self, alarm: Signal, value: float) -> Signal:
        if self._settled is not None:
            self._begin_anew()
        self._alarm = self._settled = None
        self._ended = self._index
        for arm in self._arms:
            arm.restart()
        return replace(
            alarm,
            kind="recovered",
            since=max(0, self._index - BACK + 1),
            evidence={"value": value, "values_long": self._index - self._began},
        )

    def _refit(self) -> None:
        self._fits = self._conditioner.fits
        innovations = self._conditioner.innovations
        for arm in self._arms:
            arm.refit(innovations)

    def _spend(self) -> None:
        self._look_at = self._index + _LOOK
        share = len(self._arms) * len(self._charts) / self._quorum
        rate = self._allowance.per_value(self._index) / share
        for arm in self._arms:
            arm.allow(rate, SUSPECTED if self._lasting else 1.0)
