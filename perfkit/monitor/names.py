"""Canonical names of metrics, ``split/metric``, and what people also call them.

Splits: ``train`` (running, while the weights change), ``val``, ``test``, ``probe`` (a fixed batch, before and after each epoch), ``perf``
(step time, throughput …) and ``system`` (memory, utilisation). A metric re-evaluated on the training data after an epoch is
``train_eval/…``: it is another figure than the running one.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from functools import lru_cache

from ..model.monitoring import Metric

SPLITS = ("train", "val", "test", "train_eval", "probe", "perf", "system")


def _metric(name: str, unit: str, better: str, low: float | None, high: float | None, meaning: str) -> Metric:
    return Metric(name=name, unit=unit, better=better, low=low, high=high, meaning=meaning)  # type: ignore[arg-type]


#: What is known about metrics, by the part of the name behind the split.
METRICS = {
    m.name: m
    for m in (
        _metric("loss", "", "down", None, None, "what is minimised; may be negative"),
        _metric("accuracy", "", "up", 0, 1, "share of labels that are right"),
        _metric("precision", "", "up", 0, 1, "of what was predicted as a class, the share that is"),
        _metric("recall", "", "up", 0, 1, "of what is of a class, the share that was predicted as it"),
        _metric("f1", "", "up", 0, 1, "harmonic mean of precision and recall"),
        _metric("auc", "", "up", 0, 1, "area under the ROC curve"),
        _metric("average_precision", "", "up", 0, 1, "area under the precision-recall curve; over classes: mAP"),
        _metric("average_precision_50", "", "up", 0, 1, "of detections, at an overlap of 0.5"),
        _metric("average_precision_75", "", "up", 0, 1, "of detections, at an overlap of 0.75"),
        _metric("average_precision_voc", "", "up", 0, 1, "of detections, by the rules of PASCAL VOC"),
        _metric("mae", "", "down", 0, None, "mean absolute error"),
        _metric("mse", "", "down", 0, None, "mean squared error"),
        _metric("rmse", "", "down", 0, None, "root of the mean squared error"),
        _metric("r2", "", "up", None, 1, "coefficient of determination"),
        _metric("perplexity", "", "down", 1, None, "exponential of the mean cross-entropy per token"),
        _metric("loss_before", "", "down", None, None, "loss on the probe batch before the epoch"),
        _metric("loss_after", "", "down", None, None, "the same after it"),
        _metric("learning_rate", "", "none", 0, None, "of the first parameter group"),
        _metric("grad_norm", "", "none", 0, None, "Euclidean norm over all gradients"),
        _metric("step_time_s", "s", "down", 0, None, "wall time of a step"),
        _metric("epoch_time_s", "s", "down", 0, None, "wall time of an epoch"),
        _metric("samples_per_s", "1/s", "up", 0, None, "samples per second"),
        _metric("tokens_per_s", "1/s", "up", 0, None, "tokens per second"),
        _metric("host_memory_bytes", "bytes", "down", 0, None, "resident memory of the process tree"),
        _metric("device_memory_bytes", "bytes", "down", 0, None, "memory that the framework holds on its device"),
        _metric("cpu_cores", "", "none", 0, None, "cores in use by the process tree"),
        _metric("device_busy_ratio", "", "none", 0, 1, "share of the time in which a kernel ran"),
        _metric("device_power_w", "W", "none", 0, None, "power of the device"),
    )
}

#: Of a metric's name, what people also write.
_METRIC_ALIASES = {
    "acc": "accuracy", "categorical_accuracy": "accuracy", "sparse_categorical_accuracy": "accuracy",
    "binary_accuracy": "accuracy", "prec": "precision", "rec": "recall", "f1_score": "f1", "fscore": "f1", "ap": "average_precision",
    "map": "average_precision", "map_50": "average_precision_50", "map50": "average_precision_50", "map_75": "average_precision_75",
    "roc_auc": "auc", "mean_absolute_error": "mae", "mean_squared_error": "mse",
    "root_mean_squared_error": "rmse", "r2_score": "r2", "ppl": "perplexity", "lr": "learning_rate", "gradient_norm": "grad_norm",
    "grad": "grad_norm", "gnorm": "grad_norm", "step_time": "step_time_s", "epoch_time": "epoch_time_s", "pre_loss": "loss_before",
    "post_loss": "loss_after", "throughput": "samples_per_s", "tok_per_s": "tokens_per_s",
}  # fmt: skip
_SPLIT_ALIASES = {"training": "train", "tr": "train", "valid": "val", "validation": "val", "dev": "val", "eval": "val", "evaluation": "val",
                  "testing": "test"}  # fmt: skip
#: Names that have a split of their own, whatever stands before them.
_OWN_SPLIT = {
    "learning_rate": "train", "grad_norm": "train", "loss_before": "probe", "loss_after": "probe", "step_time_s": "perf",
    "epoch_time_s": "perf", "samples_per_s": "perf", "tokens_per_s": "perf", "host_memory_bytes": "system",
    "device_memory_bytes": "system", "cpu_cores": "system", "device_busy_ratio": "system", "device_power_w": "system",
}  # fmt: skip


@lru_cache(maxsize=4096)  # the same few names come with every step
def canonical(name: str, split: str = "train") -> str:
    """The canonical form of *name*: ``loss`` → ``train/loss``, ``val_acc`` → ``val/accuracy``, ``eval/loss`` → ``val/loss``.

    A name without a split gets *split*, or the one that it always has (``lr`` → ``train/learning_rate``). A name that is not known keeps
    its words, in lower case.
    """
    words, bracket, of_class = name.strip().partition("[")  # recall[Cat]: what is in brackets is a label of the user's
    text = words.strip().lower().replace("-", "_").replace(" ", "_")
    given, separator, rest = text.partition("/")
    if not separator:
        given, rest = _leading_split(text)
    given = _SPLIT_ALIASES.get(given, given)
    metric = _METRIC_ALIASES.get(rest, rest)
    if given and given not in SPLITS:  # a namespace of the script's own stays part of the name
        return f"{given}/{metric}{bracket}{of_class}"
    return f"{given or _OWN_SPLIT.get(metric, split)}/{metric}{bracket}{of_class}"


def _leading_split(text: str) -> tuple[str, str]:
    for split in sorted((*SPLITS, *_SPLIT_ALIASES), key=len, reverse=True):
        if text.startswith(f"{split}_") and len(text) > len(split) + 1:
            return split, text[len(split) + 1 :]
    return "", text


def metric_of(name: str) -> Metric:
    """What is known about the metric of a canonical *name* (``recall[3]`` is recall); for one that is not known, a Metric without bounds."""
    last = name.partition("[")[0].rpartition("/")[2]
    return METRICS.get(last) or Metric(name=last, unit="", better="none")


def close_to(name: str, known: Iterable[str]) -> list[str]:
    """Names among *known* that *name* may have meant, nearest first, at most three."""
    names = list(known)
    tail = name.rpartition("/")[2]
    same = [k for k in names if k.rpartition("/")[2] == tail]
    near = get_close_matches(name, names, n=3, cutoff=0.5)
    return list(dict.fromkeys([*near, *same]))[:3]
