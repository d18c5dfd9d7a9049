"""What the words before a number, and the unit behind it, make of it: an epoch, a step, a metric, a parameter, a time."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from ..names import METRICS, SPLITS, canonical
from .units import Unit

Role = Literal["epoch", "step", "position", "metric", "number", "param", "skip", "none"]

_EPOCH = {"epoch", "ep"}
_STEP = {"step", "iter", "iteration", "global_step", "it", "num_updates", "update", "iters", "iter_num", "global step"}
_POSITION = {"batch", "minibatch", "batches", "sampled", "steps"}
_SPLITS = {
    "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "eval": "val", "evaluation": "val",
    "dev": "val", "test": "test", "testing": "test",
}  # fmt: skip
#: Words that do not change which metric it is.
_FILLERS = {
    "average",
    "avg",
    "mean",
    "running",
    "current",
    "cur",
    "the",
    "set",
    "final",
    "epoch",
    "total",
    "batch",
    "of",
    "end",
}
#: A word in a name that makes it a metric although its meaning is not known.
_METRIC_WORD = re.compile(
    r"(?:^|[_/@ ])(?:\w*loss|acc|accuracy|acc1|acc5|top1|top5|error|err|ppl|perplexity|f1|precision|recall|auc|mae|mse|rmse|mape|r2"
    r"|mfu|bleu\d?|rouge\w*|wer|cer|iou|miou|dice|map\d*|psnr|ssim|fid|reward|return|entropy|kl|kld|elbo|nll|bpc|bpd|grad|gnorm"
    r"|grad_norm|norm|lr|learning_rate|score|mcc|kappa|auprc|auroc|logloss|margin|cosine|spearman|pearson)(?:$|[_/@ \d(])|loss|accuracy"
)
_PARAM_WORD = re.compile(
    r"^(?:num|n|max|min|use|warmup|total|trainable|non)_|_(?:size|dim|rate|decay|workers|layers|heads|steps|epochs|iters|interval|freq|"
    r"seed|length|len|params|parameters|eps|epsilon|dir|path|ratio|factor|clip)$|^(?:batch|hidden|embed|vocab|block|context|seq)\w*$|"
    r"^(?:seed|epochs|dropout|momentum|gamma|beta\d?|betas|eps|weight_decay|lr|learning_rate|optimizer|device|dtype|bs|parameters|params|"
    r"#params|world_size|patience|nesterov|amsgrad|temperature|top_k|top_p|alpha|margin|classes|nproc|rank)$|parameters|params"
)
#: Things that have numbers of their own, which measure nothing.
_NUMBERED = {
    "cuda",
    "gpu",
    "mps",
    "npu",
    "xpu",
    "rank",
    "worker",
    "node",
    "line",
    "port",
    "pid",
    "id",
    "version",
    "fold",
    "shard",
}
#: A place in the code, ``module.py:12``.
_FILE = re.compile(r"\.(?:py|cc|cpp|cu|h|c|js)$")
_STEP_TIME = {"step_time", "batch_time", "iter_time", "time_per_step", "time_per_batch", "dt", "step time", "batch time", "iter time",
              "data_time", "data time", "time/iter", "time/step", "time/batch"}  # fmt: skip
_SECONDS = re.compile(r"^(.*?)[_ ]?\(?(ms|millis|us|secs?|seconds|s)\)?$")
_SECONDS_SCALE = {"ms": 1e-3, "millis": 1e-3, "us": 1e-6}
_SKIPPED = re.compile(
    r"^(?:eta|elapsed|remaining|wall|train_wall|time_left|duration|took|runtime|\w*_runtime|clip|loss_scale|gb_free)$"
)
_SAMPLES = {"samples_per_second", "samples_per_sec", "samples/sec", "img/s", "images/s", "imgs/s", "ex/s", "examples/s", "samples/s",
            "throughput", "img/sec", "images/sec", "samples_per_s", "sps"}  # fmt: skip
_TOKENS = {
    "tok/s",
    "tokens/s",
    "tok/sec",
    "tokens/sec",
    "wps",
    "tps",
    "tokens_per_second",
    "tokens_per_sec",
    "tok_per_s",
    "tokens_per_s",
}
_RATES = {"it/s", "steps/s", "batches/s", "ups", "steps_per_second", "it/sec", "iter/s", "steps_per_sec"}
_MEMORY = re.compile(r"(?:^|[_ ])(?:mem|memory|vram|rss)(?:$|[_ ])")
_BYTES = re.compile(r"_(gb|mb|gib|mib|kb|bytes)$")
_BYTES_SCALE = {"gb": 1e9, "mb": 1e6, "gib": 2.0**30, "mib": 2.0**20, "kb": 1e3, "bytes": 1.0}


@dataclass(frozen=True)
class Meaning:
    """Of one number. ``name`` is canonical where the role is "metric"."""

    role: Role
    name: str = ""
    scale: float = 1.0
    #: Whether one over the number is meant: a rate of steps is kept as the step's time.
    invert: bool = False
    #: Whether the number stood with a percent sign.
    percent: bool = False


NOTHING = Meaning("none")


def meaning(label: str, unit: Unit | None, *, split: str, joined: bool) -> Meaning:
    """Of the number behind *label* (words, "" for none) and before *unit*. *joined*: ``:`` or ``=`` stood between them, so that it is
    a name even when it is not known; without that only known words count. *split* is that of names without one.
    """
    if not label:
        return _by_unit(unit)
    if label.count("/") > 2 or _FILE.search(label):
        return NOTHING
    key, given = _key(label)
    if key in _NUMBERED:
        return NOTHING
    if key in _EPOCH:
        return Meaning("epoch")
    if key in _STEP:
        return Meaning("step")
    if key in _POSITION:
        return Meaning("position")
    timed = _time(key, unit, joined)
    if timed:
        return timed
    return _quantity(key, unit, given or split, joined, bool(given))


def _key(label: str) -> tuple[str, str]:
    """The label without its split and fillers, and the split it names."""
    words = label.rpartition(". ")[2].strip().lower().replace("-", "_").split()
    given = ""
    while len(words) > 1 and (_set_of(words[0]) or words[0] in _FILLERS):
        given = _set_of(words[0]) or given
        del words[0]
    key = "_".join(words)
    head, slash, tail = key.partition("/")
    if slash and tail in SPLITS:  # Loss/train
        return head, tail
    if slash and head in _SPLITS:
        return tail, _SPLITS[head]
    return key, given


def _set_of(word: str) -> str:
    """The split that *word* stands for, also with a number (``valid_0``); "" for none."""
    return _SPLITS.get(word.rstrip("0123456789").rstrip("_"), "")


def _by_unit(unit: Unit | None) -> Meaning:
    """A number without a name: what its unit says."""
    kind = unit.kind if unit else ""
    scale = unit.scale if unit else 1.0
    if kind == "step_time":
        return Meaning("metric", "perf/step_time_s", scale)
    if kind == "rate":
        return Meaning("metric", "perf/step_time_s", invert=True)
    if kind in ("samples", "tokens"):
        return Meaning("metric", f"perf/{kind}_per_s")
    return Meaning("skip", "elapsed", scale) if kind == "time" else NOTHING


def _time(key: str, unit: Unit | None, joined: bool) -> Meaning | None:
    """The meaning of a label that speaks of time, speed or memory; None for others."""
    timed = unit is not None and unit.kind == "time"
    scale = unit.scale if unit and timed else 1.0
    if _SKIPPED.match(key):
        return Meaning("skip", "", scale)
    if key in _STEP_TIME:
        return Meaning("metric", "perf/data_time_s" if key.startswith("data") else "perf/step_time_s", scale)
    if key in ("time", "data", "t", "sec", "secs") and (timed or key == "time"):
        return Meaning("metric", "perf/time_s", scale)
    per = re.match(r"(ms|s|sec|secs|us)/(?:batch|step|it|iter|update)$", key)
    if per:
        return Meaning("metric", "perf/step_time_s", _SECONDS_SCALE.get(per[1], 1.0))
    if key in _RATES:
        return Meaning("metric", "perf/step_time_s", invert=True)
    if key in _SAMPLES or key in _TOKENS:
        thousands = unit.scale if unit and unit.kind == "count" else 1.0
        return Meaning("metric", "perf/samples_per_s" if key in _SAMPLES else "perf/tokens_per_s", thousands)
    if "latency" in key or (joined and key.endswith(("_time", "time_ms", "time_s")) and not timed):
        return _named_seconds(key, scale)
    if _MEMORY.search(_BYTES.sub("", key)) and (joined or (unit and unit.kind == "size")):
        return _memory(key, unit)
    return None


def _named_seconds(key: str, scale: float) -> Meaning:
    """``latency_ms`` → perf/latency_s."""
    suffix = re.search(r"_(ms|us|s|sec|seconds)$", key)
    stem = key[: suffix.start()] if suffix else key
    if suffix:
        scale *= _SECONDS_SCALE.get(suffix[1], 1.0)
    stem = "step_time" if stem in _STEP_TIME else stem
    return Meaning("metric", f"perf/{stem}_s", scale)


def _memory(key: str, unit: Unit | None) -> Meaning:
    suffix = _BYTES.search(key)
    scale = _BYTES_SCALE[suffix[1]] if suffix else unit.scale if unit and unit.kind in ("size", "count") else 1.0
    device = any(word in key for word in ("gpu", "cuda", "vram", "max_mem", "device"))
    return Meaning("metric", "system/device_memory_bytes" if device else "system/memory_bytes", scale)


def _quantity(key: str, unit: Unit | None, split: str, joined: bool, given: bool) -> Meaning:
    name = canonical(f"{split}/{key}" if given else key, split)
    tail = name.rpartition("/")[2]
    if tail in ("learning_rate", "grad_norm"):  # they are of training whatever stands beside them
        name = f"train/{tail}"
    percent = unit is not None and unit.kind == "ratio"
    scale = unit.scale if unit and unit.kind in ("ratio", "size", "count", "time") else 1.0
    known = tail in METRICS or _METRIC_WORD.search(
        key if joined else key.rpartition("_")[2] if key not in METRICS else key
    )
    if known:
        return Meaning("metric", name, scale, percent=percent)
    if _PARAM_WORD.search(key):
        return Meaning("param", key, scale) if joined else NOTHING
    return Meaning("number", name, scale, percent=percent) if joined else NOTHING
