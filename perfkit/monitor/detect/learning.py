"""How training goes: the rules over epochs, over a loss's steps and over classes, put together over all series of a run.

Each rule says its thing once, and once more when it is over; docs/monitor-detectors.md gives the false alarms that they were measured to
raise.
"""

from __future__ import annotations

from collections import deque
from statistics import median

from ..names import metric_of
from . import advice
from .advice import Script
from .classes import Classes
from .divergence import LEVEL, Divergence
from .epochs import Epochs
from .finding import Finding


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
            elif split == "train_eval":  # the weights as they are: what validation is best held against
                self._running[metric] = (value, 1)
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
