"""Training and validation over epochs: over- and underfitting, plateau, an end that came too early.

A rule speaks where a trend is certain (Theil and Sen's slope with its interval) *and* large against the noise between epochs.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.monitoring import Severity
from ...stats.robust import mad_sigma, theil_sen
from . import advice
from .advice import Script
from .finding import Finding

#: Epochs after the best one before overfitting is spoken of, and the confidence of the trend behind it.
WORSE_EPOCHS, TREND_CONFIDENCE = 5, 0.99
#: … and the rise, in standard deviations of the noise between epochs and as a share of the best.
WORSE_SIGMAS, WORSE_SHARE = 4.0, 0.01
#: Epochs without an improvement (of more than the share) that are a plateau.
PLATEAU_EPOCHS, PLATEAU_SHARE = 10, 0.005
#: … and of more than so many standard deviations of the noise between epochs: the best of many is low by chance.
PLATEAU_SIGMAS = 2.0
#: "Unfinished": the newest so many epochs fall, for certain and by more than their noise.
UNFINISHED_EPOCHS = 8
#: Underfitting: after so many epochs training has gained less than this share of its first loss, and stands still.
UNDERFIT_EPOCHS, UNDERFIT_GAIN = 10, 0.25
#: Epochs that are kept: a run of more is judged by its newest.
KEPT = 512


class Epochs:
    """Pairs of a training and a validation figure, one per evaluation, both so that less is better."""

    def __init__(self, metric: str, better: str, script: Script) -> None:
        self.metric = metric
        self._sign = -1.0 if better == "up" else 1.0
        self._script = script
        self._train: deque[float] = deque(maxlen=KEPT)
        self._val: deque[float] = deque(maxlen=KEPT)
        self._epoch: deque[int] = deque(maxlen=KEPT)
        self._said: set[str] = set()

    def add(self, train: float, val: float, epoch: int) -> list[Finding]:
        """One more evaluation."""
        self._train.append(self._sign * train)
        self._val.append(self._sign * val)
        self._epoch.append(epoch)
        if len(self._val) < WORSE_EPOCHS + 1:
            return []
        train_, val_ = np.array(self._train), np.array(self._val)
        found = [*self._overfitting(train_, val_), *self._standstill(train_, val_)]
        return [finding for finding in found if finding is not None]

    def _overfitting(self, train: NDArray[np.float64], val: NDArray[np.float64]) -> list[Finding]:
        best = int(np.argmin(val))
        if "overfitting" in self._said:
            if best == val.size - 1:
                self._said.discard("overfitting")
                return [self._over("overfitting", f"val/{self.metric} improves again")]
            return []
        since = val.size - 1 - best
        if since < WORSE_EPOCHS:
            return []
        x = np.arange(since + 1)
        slope, low, high = theil_sen(x, val[best:], TREND_CONFIDENCE)
        noise = between_epochs(val)
        rise = median(val[-3:].tolist()) - median(val[max(0, best - 1) : best + 2].tolist())
        train_slope, _, train_high = theil_sen(x, train[best:], TREND_CONFIDENCE)
        train_gained = train_slope <= 0
        least = max(WORSE_SIGMAS * noise, WORSE_SHARE * abs(float(val[best])))
        gap = theil_sen(x, (val - train)[best:], TREND_CONFIDENCE)
        if not (low > 0 and rise > least and train_gained and gap[0] > 0):
            return []
        self._said |= {"overfitting", "plateau"}  # it is the same standstill of validation, said better
        epoch = self._epoch[best]
        evidence = {
            "best_epoch": epoch,
            "best": self._sign * float(val[best]),
            "now": self._sign * float(val[-1]),
            "rise": rise,
            "noise_between_epochs": noise,
            "val_slope_per_epoch": slope,
            "val_slope_low": low,
            "val_slope_high": high,
            "train_slope_per_epoch": train_slope,
            "train_slope_high": train_high,
            "gap_slope_per_epoch": gap[0],
            "gap_slope_low": gap[1],
            "gap_slope_high": gap[2],
            "gap": float(val[-1] - train[-1]),
        }
        message = (
            f"overfitting: val/{self.metric} was best at epoch {epoch} ({evidence['best']:.4g}) and is {evidence['now']:.4g} now, "
            f"while train/{self.metric} goes on improving"
        )
        return [self._finding("overfitting", "warning", message, advice.overfitting(self._script, epoch), evidence)]

    def _standstill(self, train: NDArray[np.float64], val: NDArray[np.float64]) -> list[Finding]:
        found: list[Finding] = []
        best = int(np.argmin(val))
        still = val.size - 1 - _last_gain(val)
        if "plateau" in self._said and best == val.size - 1 and still < PLATEAU_EPOCHS // 2:
            self._said.discard("plateau")
            if "overfitting" not in self._said:
                found.append(self._over("plateau", f"val/{self.metric} improves again"))
        if still < PLATEAU_EPOCHS or self._said & {"plateau", "overfitting", "underfitting"}:
            return found
        window = slice(-PLATEAU_EPOCHS, None)
        x = np.arange(train[window].size)
        train_slope, low, high = theil_sen(x, train[window], 0.95)
        evidence: dict[str, Any] = {
            "epochs_without_gain": still,
            "best": self._sign * float(val[best]),
            "train_slope_per_epoch": train_slope,
            "train_slope_low": low,
            "train_slope_high": high,
            "gap": float(val[-1] - train[-1]),
        }
        gained = (float(np.median(train[:2])) - float(np.median(train[-3:]))) / max(abs(float(train[0])), 1e-12)
        stands = -train_slope * PLATEAU_EPOCHS < 0.02 * max(abs(float(np.median(train[window]))), 1e-12)
        if self._sign > 0 and val.size >= UNDERFIT_EPOCHS and gained < UNDERFIT_GAIN and stands:
            self._said |= {"underfitting", "plateau"}
            evidence["train_gained_share"] = gained
            message = f"underfitting: train/{self.metric} has stood still for {PLATEAU_EPOCHS} epochs, having gained {gained:.0%} since the start"
            return [
                *found,
                self._finding("underfitting", "warning", message, advice.underfitting(self._script), evidence),
            ]
        self._said.add("plateau")
        message = f"plateau: val/{self.metric} has not improved by {PLATEAU_SHARE:.1%} for {still} epochs"
        text = advice.plateau(self._script, train_falls=high < 0 and not stands)
        return [*found, self._finding("plateau", "info", message, text, evidence)]

    def finish(self) -> list[Finding]:
        """What the end shows: a training that stopped while it still gained."""
        if len(self._val) < UNFINISHED_EPOCHS or self._said:
            return []
        noise = between_epochs(np.array(self._val))
        val = np.array(self._val)[-UNFINISHED_EPOCHS:]
        slope, low, high = theil_sen(np.arange(val.size), val, TREND_CONFIDENCE)
        share = -slope / max(abs(float(np.median(val))), 1e-12)
        if not (high < 0 and share > PLATEAU_SHARE and -slope * val.size > WORSE_SIGMAS * noise):
            return []
        message = f"ended while val/{self.metric} still improved by {share:.1%} an epoch"
        evidence = {"val_slope_per_epoch": slope, "val_slope_low": low, "val_slope_high": high}
        return [self._finding("unfinished", "info", message, advice.unfinished(), evidence)]

    def _finding(self, rule: str, severity: Severity, message: str, text: str, evidence: dict[str, Any]) -> Finding:
        return Finding(
            rule=rule,
            metric=f"val/{self.metric}",
            kind="learning",
            severity=severity,
            message=message,
            advice=text,
            evidence=evidence,
        )

    def _over(self, rule: str, message: str) -> Finding:
        return Finding(rule=rule, metric=f"val/{self.metric}", kind="recovered", severity="info", message=message)


def between_epochs(values: NDArray[np.float64]) -> float:
    """Noise from one epoch to the next, whatever the trend: from second differences, whose variance is six times a value's."""
    return mad_sigma(np.diff(values, 2)) / math.sqrt(6) if values.size > 3 else 0.0


def _last_gain(values: NDArray[np.float64]) -> int:
    """Index of the newest value that beat the best before it by more than chance and PLATEAU_SHARE (smaller gains add up)."""
    best, last = float(values[0]), 0
    noise = PLATEAU_SIGMAS * between_epochs(values)
    for index, value in enumerate(values.tolist()):
        if value < best - max(PLATEAU_SHARE * abs(best), noise):
            best, last = value, index
    return last
