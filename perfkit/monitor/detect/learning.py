"""How training goes, over epochs: over- and underfitting, plateau, divergence, classes that are not found.

Each rule says its thing once, and once more when it is over. It speaks where a trend is certain (Theil and Sen's slope with its interval)
*and* large against the noise between epochs; docs/monitor-detectors.md gives the false alarms that this was measured to raise.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...model.monitoring import EventKind, Severity
from ...stats.robust import mad_sigma, theil_sen
from ..names import metric_of
from . import advice
from .advice import Script

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
#: A class is not found when its recall is less than this share of the median class's, for so many epochs.
LOW_RECALL, LOW_RECALL_EPOCHS = 0.5, 3
#: Epochs that are kept: a run of more is judged by its newest.
KEPT = 512
#: Divergence within a training: medians of so many losses, so far (in their noise) above both the start and the best.
LEVEL, DIVERGED_SIGMAS, DIVERGED_SHARE = 16, 8.0, 0.2


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a rule says."""

    rule: str
    metric: str
    kind: EventKind
    severity: Severity
    message: str
    advice: str = ""
    evidence: dict[str, Any] = field(default_factory=dict)


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


class Divergence:
    """A loss per step that ends up above where training began: told within some twenty values, also before any detector knows the series."""

    def __init__(self) -> None:
        self._first: list[float] = []
        self._latest: deque[float] = deque(maxlen=LEVEL)
        self._start = self._best = math.inf
        self._noise = 0.0
        self._count = 0
        self.diverged = False

    def update(self, value: float) -> bool | None:
        """True where it has diverged, False where it is back, None for nothing new."""
        self._count += 1
        self._latest.append(value)
        if self._count % 4 or len(self._latest) < LEVEL:
            return None
        level = median(self._latest)
        if self._start == math.inf:
            self._start = self._best = level
            self._noise = max(mad_sigma(np.diff(np.array(self._latest))) / math.sqrt(2), 1e-12)
            return None
        self._best = min(self._best, level)
        if not self.diverged:
            far = max(DIVERGED_SIGMAS * self._noise, DIVERGED_SHARE * abs(self._start))
            if level > self._start + far and level > self._best + far:
                self.diverged = True
                return True
        elif level < self._start:
            self.diverged = False
            return False
        return None

    def rose(self) -> bool:
        """Whether the newest values lie far above the best level: asked when a value is not finite."""
        if self._start == math.inf or not self._latest:
            return False
        return max(self._latest) > self._best + max(DIVERGED_SIGMAS * self._noise, DIVERGED_SHARE * abs(self._best))

    @property
    def evidence(self) -> dict[str, Any]:
        """What it rests on."""
        return {"start": self._start, "best": self._best, "now": median(self._latest), "noise": self._noise}


class Classes:
    """Recall (or another share) of each class of one split: which are hardly found."""

    def __init__(self, metric: str) -> None:
        self.metric = metric
        self._latest: dict[str, float] = {}
        self._low: dict[str, int] = {}
        self._said: frozenset[str] = frozenset()

    def update(self, values: dict[str, float]) -> list[Finding]:
        """The classes' values of one evaluation, by label."""
        self._latest |= values
        if len(self._latest) < 2:
            return []
        usual = median(self._latest.values())
        for label, value in values.items():
            self._low[label] = self._low.get(label, 0) + 1 if value < LOW_RECALL * usual else 0
        low = frozenset(label for label, times in self._low.items() if times >= LOW_RECALL_EPOCHS)
        if low == self._said:
            return []
        before, self._said = self._said, low
        labels = sorted(low)
        if not low - before:
            if low:
                return []
            message = f"every class's {self.metric} is near the others' again"
            return [
                Finding(rule="class-imbalance", metric=self.metric, kind="recovered", severity="info", message=message)
            ]
        worst = {label: self._latest[label] for label in labels}
        message = f"classes {', '.join(labels)} are hardly found: {self.metric} " + ", ".join(
            f"{value:.2f}" for value in worst.values()
        )
        return [
            Finding(
                rule="class-imbalance",
                metric=self.metric,
                kind="learning",
                severity="warning",
                message=f"{message}, median class {usual:.2f}",
                advice=advice.imbalance(labels),
                evidence={"classes": worst, "median_class": usual, "epochs": LOW_RECALL_EPOCHS},
            )
        ]


class Learning:
    """The rules over all series of a run."""

    def __init__(self, script: Script | None = None) -> None:
        self._script = script or Script()
        self._pairs: dict[str, Epochs] = {}
        self._running: dict[str, tuple[float, int]] = {}
        self._classes: dict[str, Classes] = {}
        self._divergence: dict[str, Divergence] = {}
        self._evaluations: dict[str, int] = {}
        self._grad_norm: deque[float] = deque(maxlen=4 * LEVEL)

    def observe(self, values: dict[str, float], epoch: int | None, step: int | None) -> list[Finding]:
        """What is to be said about values that are known now."""
        found: list[Finding] = []
        per_class: dict[str, dict[str, float]] = {}
        validated: list[str] | None = None
        for name, value in values.items():
            if value - value != 0.0:
                continue
            split, _, metric = name.partition("/")
            if split == "train":
                found += self._trained(name, metric, value, step)
            elif split == "val":
                if metric.endswith("]") and "[" in metric:
                    family, _, label = metric[:-1].partition("[")
                    per_class.setdefault(f"val/{family}", {})[label] = value
                else:
                    validated = [*(validated or ()), metric]
        for metric in validated or ():
            found += self._validated(metric, values[f"val/{metric}"], epoch)
        for family, recalls in per_class.items():
            if family.endswith(("recall", "f1")):
                found += self._classes.setdefault(family, Classes(family)).update(recalls)
        return found

    def finish(self) -> list[Finding]:
        """What the end shows."""
        return [finding for pair in self._pairs.values() for finding in pair.finish()][:1]

    def rose_before(self, name: str) -> bool:
        """Whether the series *name* was rising when it was lost."""
        watcher = self._divergence.get(name)
        return watcher is not None and watcher.rose()

    def _trained(self, name: str, metric: str, value: float, step: int | None) -> list[Finding]:
        total, count = self._running.get(metric, (0.0, 0))
        self._running[metric] = (total + value, count + 1)
        if metric == "grad_norm":
            self._grad_norm.append(value)
        if metric != "loss":
            return []
        watcher = self._divergence.get(name)
        if watcher is None:
            watcher = self._divergence[name] = Divergence()
        news = watcher.update(value)
        if news is None:
            return []
        if not news:
            message = f"{name} is back below where training began"
            return [Finding(rule="divergence", metric=name, kind="recovered", severity="info", message=message)]
        evidence = watcher.evidence
        rose = self._norm_rose()
        if rose is not None:
            evidence["grad_norm_rose"] = rose
        return [
            Finding(
                rule="divergence",
                metric=name,
                kind="learning",
                severity="critical",
                message=f"divergence: {name} is {evidence['now']:.4g}, above the {evidence['start']:.4g} that training began with",
                advice=advice.divergence(self._script, grad_norm_rose=rose),
                evidence=evidence,
            )
        ]

    def _norm_rose(self) -> bool | None:
        norms = list(self._grad_norm)
        if len(norms) < LEVEL:
            return None
        return median(norms[-LEVEL // 2 :]) > 2 * median(norms[: LEVEL // 2])

    def _validated(self, metric: str, value: float, epoch: int | None) -> list[Finding]:
        total, count = self._running.pop(metric, (0.0, 0))
        better = metric_of(metric).better
        if not count or better == "none":
            return []
        if metric != "loss" and "loss" in self._pairs:
            return []  # one voice: the loss's
        number = self._evaluations[metric] = self._evaluations.get(metric, -1) + 1
        if metric not in self._pairs:
            self._pairs[metric] = Epochs(metric, better, self._script)
        return self._pairs[metric].add(total / count, value, number if epoch is None else epoch)
