"""From the values of a series to what charts can judge: exchangeable, standardised, whatever trend, scale, distribution and memory.

value → less a robust curve, or relative to one (of a loss that falls), in units of how far it scatters now → less what an autoregression explains → innovation → normal score of
its sequential rank. A rate that may only fall is taken by its logarithm. The first `WARMUP` values are the reference; the model of the series is fitted again
each time that their number has doubled.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable

import numpy as np

from ...stats import autoregression
from ...stats.ranks import Ranks
from ...stats.robust import mad_sigma
from ...stats.steady import warmup_end
from .curve import Curve

#: Values before anything is judged: with fewer, the correlation of a series is hardly known.
WARMUP = 100
#: Values that a model is fitted to at most, the newest; beyond twice as many it is not fitted again.
FITTED = 2048
#: Values become part of what is usual for good so many values later: those with which a change begins never do. (Ranks take them at once, and
#: give them back: that each value is ranked among *all* earlier ones is what makes scores independent.)
LAG = 16
#: Where there is a curve, its noise changes as it falls: deviations are taken in their own mean absolute size over about so many newest ones,
#: none counting for more than so many times that.
SCALED, CLIPPED = 48, 4.0
#: e^40 is more than any loss that is still a number should be of what was expected.
LARGEST_LOG = 40.0


class Conditioner:
    """Standardises one series. With *trend* and *log* deviations are relative to the curve.

    ``sigma`` is the robust standard deviation of an innovation, in the unit of the deviations. *least* is the change that counts, as a
    share of the level: `beyond` judges values by what they have beyond it. (A curve has no level: with *trend* everything counts.)
    """

    def __init__(
        self,
        *,
        trend: bool = False,
        log: bool = False,
        settle: bool = False,
        warmup: int = WARMUP,
        seed: int = 0,
        least: float = 0.0,
    ) -> None:
        self.log, self.warmup = log, warmup
        self._least = 0.0 if trend else least
        self._settle = settle
        self._curve = Curve() if trend else None
        self._seed = seed
        self._past: deque[float] = deque(maxlen=FITTED)
        self._ranks = Ranks(seed=seed)
        self._model: autoregression.Autoregression | None = None
        self._recent: deque[float] = deque(maxlen=autoregression.MAX_ORDER)
        self._next_fit = warmup
        self._constant = 0.0
        self.sigma = 0.0
        self._innovation = 0.0
        #: What a change that just counts adds to each innovation.
        self.slack = 0.0
        #: What a deviation of 1 is, as a share of the curve (or in the unit of the series): 1 without a curve.
        self.scale = 1.0
        self._scaled = 0
        #: The value by its logarithm where it is taken so.
        self.raw = 0.0
        #: Values taken since the reference was complete.
        self.count = 0
        #: Rises with each fit; charts that keep innovations then take them anew from `innovations`.
        self.fits = 0
        self.innovations: list[float] = []
        #: The innovation (in standard deviations) that has just become part of what is usual; None for none.
        self.learned: float | None = None
        self._pending: deque[tuple[float, float]] = deque()
        #: The value as charts see it before the autoregression, and its usual range and middle; for telling when a change is over.
        self.deviation = 0.0
        self.usual = (-math.inf, 0.0, math.inf)

    def natural(self, deviation: float, value: float) -> float:
        """A deviation as a value of the series, where the expected course stands at *value*, the newest one."""
        if self.log and value > 0:
            if self._curve is not None:
                return value * (1 + deviation * self.scale) / (1 + self.deviation * self.scale)
            return value * math.exp(deviation - self.deviation)
        return value + (deviation - self.deviation) * self.scale

    def unlogged(self, raw: float) -> float:
        """A value as in `raw`, in the unit of the series. (A log series has no value of 0 or less but for a few taken as they are.)"""
        return math.exp(min(raw, LARGEST_LOG)) if self.log else raw

    @property
    def ready(self) -> bool:
        """Whether the reference is complete."""
        return self._model is not None

    @property
    def order(self) -> int:
        """How many earlier values the autoregression uses."""
        return self._model.order if self._model else 0

    def push(self, value: float, *, learn: bool = True) -> tuple[float, float] | None:
        """The innovation, in its standard deviations, and its normal score; None until the reference is complete.

        Without *learn* the value is judged and not remembered as usual.
        """
        y = self.raw = math.log(value) if self.log and value > 0 else value
        if self._curve is not None:
            expected = self._curve.push(y, learn=learn)
            if expected is None:
                return None
            y -= expected
            if self.log:  # relative to what was expected: a logarithm would make ten times as much look small
                y = math.expm1(min(y, LARGEST_LOG))
            y = self._rescaled(y, learn)
        self.deviation = y
        model = self._model
        if model is None:
            self._past.append(y)
            self._recent.appendleft(y)
            if len(self._past) >= self._next_fit:
                self._first_fit()
            return None
        innovation = y - self._constant
        for coefficient, before in zip(model.coefficients, self._recent, strict=False):
            innovation -= coefficient * before
        self._recent.appendleft(y)
        self._innovation = innovation
        r = innovation / self.sigma
        self.learned = None
        if not learn:
            return r, self._ranks.peek(innovation) / model.inflation
        score = self._ranks.score(innovation) / model.inflation
        self._pending.append((innovation, y))
        if len(self._pending) > LAG:
            self._learn(*self._pending.popleft())
        return r, score

    def beyond(self, sign: float) -> tuple[float, float]:
        """The newest value's innovation, and its normal score, less what a change that just counts would add: none that counts, none above
        what the asked rate allows. For changes up (*sign* 1) or down (-1).
        """
        assert self._model is not None
        innovation = self._innovation - sign * self.slack
        return innovation / self.sigma, self._ranks.peek(innovation) / self._model.inflation

    def _rescaled(self, deviation: float, learn: bool) -> float:
        """In units of what deviations were like before it."""
        size = abs(deviation)
        before = self.scale if self._scaled else size or 1.0
        if learn:
            self._scaled += 1
            weight = 1 / min(self._scaled, SCALED)
            self.scale = max(before + weight * (min(size, CLIPPED * before) - before), 1e-12)
        return deviation / before

    def readmit(self, values: Iterable[float]) -> None:
        """Values (as in `raw`) that were pushed without being learned belong to the curve after all."""
        if self._curve is not None:
            for value in values:
                self._curve.learn(value)

    def forget(self) -> None:
        """A change has begun: what came last is none of the usual."""
        for innovation, _ in self._pending:
            self._ranks.discard(innovation)
        self._pending.clear()

    def _learn(self, innovation: float, y: float) -> None:
        self.learned = innovation / self.sigma
        self._past.append(y)
        self.count += 1
        if self.count >= self._next_fit <= 2 * FITTED:
            self._fit()

    def _first_fit(self) -> None:
        if self._settle:
            self._settle = False  # once: chance alone would go on cutting
            cut = warmup_end(np.array(self._past))
            if cut and len(self._past) - cut < self.warmup:
                for _ in range(cut):
                    self._past.popleft()
                return  # the start-up is over; as many values as are wanted of what follows
        self._fit()

    def _fit(self) -> None:
        past = np.array(self._past)
        model = autoregression.fit(past)
        left = autoregression.residuals(past, model)
        spread = mad_sigma(left) or float(left.std()) or max(abs(model.centre), 1.0) * 1e-6
        self._model, self.sigma = model, spread
        lasting = 1 - sum(model.coefficients)  # what is left of a lasting change in each innovation
        self._constant = model.centre * lasting
        self.slack = lasting * (math.log1p(self._least) if self.log else self._least * abs(model.centre))
        waiting = [y for _, y in self._pending]
        ranked = autoregression.residuals(np.concatenate((past, waiting)), model).tolist()
        self._ranks = Ranks(ranked, seed=self._seed)
        self._pending = deque(zip(ranked[len(ranked) - len(waiting) :], waiting, strict=True))
        self.innovations = (left / spread).tolist()
        low, middle, high = np.quantile(past, [0.1, 0.5, 0.9]).tolist()
        self.usual = (low, middle, high)
        self._next_fit = max(self.warmup, 2 * self.count) if self.fits else self.warmup
        self.fits += 1
        self.learned = None
