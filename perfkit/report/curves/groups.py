"""Which series share a chart, and in which order charts come: what is learned first, then how, then what it costs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from ...monitor.names import SPLITS, metric_of

if TYPE_CHECKING:
    from collections.abc import Iterable

Role = Literal["quality", "learning", "performance"]

#: Metrics that belong on the same axes although they have names of their own: chart, its title.
_TOGETHER = {
    "loss_before": "probe_loss", "loss_after": "probe_loss",
    "host_memory_bytes": "memory", "device_memory_bytes": "memory",
}  # fmt: skip
_MEMBERS = {
    "host_memory_bytes": "host",
    "device_memory_bytes": "device",
    "loss_before": "before",
    "loss_after": "after",
}
_TITLES = {
    "loss": "Loss", "accuracy": "Accuracy", "precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "AUC",
    "average_precision": "Average precision", "mae": "MAE", "mse": "MSE", "rmse": "RMSE", "r2": "R²", "perplexity": "Perplexity",
    "probe_loss": "Loss on the probe batch, before and after each epoch", "learning_rate": "Learning rate",
    "grad_norm": "Gradient norm", "step_time_s": "Step time", "epoch_time_s": "Epoch time",
    "samples_per_s": "Throughput (samples)", "tokens_per_s": "Throughput (tokens)", "memory": "Memory", "cpu_cores": "CPU cores in use",
    "device_busy_ratio": "Device busy", "device_power_w": "Device power",
}  # fmt: skip
_QUALITY = (
    "loss",
    "accuracy",
    "precision",
    "recall",
    "f1",
    "auc",
    "average_precision",
    "r2",
    "mae",
    "mse",
    "rmse",
    "perplexity",
)
_LEARNING = ("probe_loss", "learning_rate", "grad_norm")
_PERFORMANCE = ("step_time_s", "epoch_time_s", "samples_per_s", "tokens_per_s", "memory", "device_busy_ratio", "cpu_cores",
                "device_power_w")  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Chart:
    """Series on the same axes."""

    key: str
    title: str
    unit: str
    better: Literal["up", "down", "none"]
    role: Role
    #: Canonical names, the training's own first.
    names: tuple[str, ...]
    #: Least and greatest possible value; None where there is no bound.
    low: float | None
    high: float | None


def charts(names: Iterable[str]) -> list[Chart]:
    """The charts of the series *names* (canonical), in the order in which a person wants them."""
    members: dict[str, list[str]] = {}
    for name in names:
        members.setdefault(_key(name), []).append(name)
    return [_chart(key, found) for key, found in sorted(members.items(), key=lambda item: _rank(item[0], item[1]))]


def is_known(chart: Chart) -> bool:
    """Whether the chart is of a metric that perfkit has a title for, not of a script's own."""
    return chart.key in _TITLES


def with_names(chart: Chart, names: tuple[str, ...]) -> Chart:
    """The same chart with some of its series only."""
    return replace(chart, names=names)


def labels(chart: Chart) -> dict[str, str]:
    """What tells the series of a chart apart, by name: the split; full names where that does not tell."""
    short = {name: _label(name, chart) for name in chart.names}
    return short if len(set(short.values())) == len(short) else {name: name for name in chart.names}


def _label(name: str, chart: Chart) -> str:
    split, _, metric = name.rpartition("/")
    if metric in _MEMBERS:
        return _MEMBERS[metric]
    return chart.title.lower() if split in ("perf", "system", "") else split


def _key(name: str) -> str:
    last = name.rpartition("/")[2]
    return _TOGETHER.get(last, last)


def _chart(key: str, names: list[str]) -> Chart:
    metric = metric_of(names[0])
    return Chart(
        key=key,
        title=_TITLES.get(key, key),
        unit=metric.unit,
        better=metric.better,
        role=_role(key, names),
        names=tuple(sorted(names, key=lambda name: (_split_rank(name), name))),
        low=metric.low,
        high=metric.high,
    )


def _role(key: str, names: list[str]) -> Role:
    if key in _QUALITY:
        return "quality"
    if key in _LEARNING:
        return "learning"
    return "performance" if all(name.startswith(("perf/", "system/")) for name in names) else "quality"


def _rank(key: str, names: list[str]) -> tuple[int, int, str]:
    role = ("quality", "learning", "performance").index(_role(key, names))
    order = {"quality": _QUALITY, "learning": _LEARNING, "performance": _PERFORMANCE}[_role(key, names)]
    return role, order.index(key) if key in order else len(order), key


def _split_rank(name: str) -> int:
    split = name.partition("/")[0]
    return SPLITS.index(split) if split in SPLITS else len(SPLITS)
