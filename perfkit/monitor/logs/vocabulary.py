"""Words by which a line without a metric is known: what happened, how bad it is, and what is only decoration."""

from __future__ import annotations

import re

_LEVEL_WORDS = {
    "TRACE": "debug", "DEBUG": "debug", "INFO": "info", "SUCCESS": "info", "NOTICE": "info", "WARN": "warning", "WARNING": "warning",
    "ERROR": "error", "SEVERE": "error", "CRITICAL": "critical", "FATAL": "critical",
}  # fmt: skip
#: A logging header: at most a few words or a place, a level, and what stands between it and the message. In a shape, so numbers are
#: NUL. Words and what separates them share no character, so that a ruler is not tried in every way. A level in small letters counts only in brackets or before a colon.
_HEADER = re.compile(
    r"^[\s\-|:,.\[\](){}]{0,8}(?:[\w.<>/@\x00]{1,60}[\s\-|:,\[\]]{1,8}){0,4}?"
    r"\[?(TRACE|DEBUG|INFO|SUCCESS|NOTICE|WARN|WARNING|ERROR|SEVERE|CRITICAL|FATAL)\b\]?[\s:|\-\]]*"
)
_SMALL_HEADER = re.compile(
    r"^[\s\-|:\x00]*(?:\[(debug|info|warn|warning|error|critical|fatal)\]|(warning|error|fatal):)\s*", re.I
)
#: Behind a level the place in the code or the logger's name: ``root:``, ``__main__:main:12 - ``, ``file.cc:123] ``, ``[trainer.py:9]``.
_PLACE = re.compile(
    r"^(?:\(?[\w.<>/\\\-]+(?::[\w<>.]+)*:\x00\)?\s*[\]\-|:]\s*|\[[\w.<>/ \-]+(?::\x00)?\]\s*[:\-]?\s*|[\w.]+:(?=\S)|[\w.]+ [-|:] )"
)
_TF = re.compile(r"^: ([IWEF]) \S+:\x00\] ")
_TF_LEVELS = {"I": "info", "W": "warning", "E": "error", "F": "critical"}
_PY_WARNING = re.compile(r"(?:^|: )(\w+Warning): ")

_WORDS = re.compile(r"[a-z]+")
#: Level → words, and phrases, that say it where a message has no level of its own.
_SEVERE = {
    "critical": (("killed", "fatal", "panic", "oom"),
                 ("out of memory", "segmentation fault", "core dumped", "cuda error", "terminate called", "device-side assert")),
    "error": (("error", "exception", "failed", "failure", "abort", "aborted", "aborting", "crash", "crashed", "corrupt", "corrupted",
               "sigterm", "sigkill", "sigsegv"), ()),
    "warning": (("warning", "deprecated", "deprecation", "cannot", "couldn", "overflow", "overflowed", "retry", "retrying", "timeout",
                 "slow", "skipped", "skipping"), ("could not", "timed out", "not found", "time out")),
}  # fmt: skip
#: What happened → words, and phrases, that say it. The first that fits is it.
_EVENTS = {
    "out_of_memory": (("oom",), ("out of memory",)),
    "early_stop": ((), ("early stop", "stopping early", "restoring model weights")),
    "learning_rate": ((), ("learning rate to", "learning rate is", "learning rate set", "lr reduced", "lr decay", "lr set")),
    "checkpoint": (("checkpoint", "checkpoints", "saving", "saved", "ckpt"),
                   ("improved from", "did not improve", "best so far", "best model", "is the best")),
    "resume": (("resuming", "resumed", "restored", "restoring"),
               ("=> load", "loaded from", "loading from", "loading weights", "loading model", "loaded model", "loading pretrained")),
    "compile": (("compiling", "compiled", "compilation", "tracing", "jit", "cudnn", "xla"), ()),
    "device": (("device", "devices", "cuda", "gpu", "gpus", "tpu", "tpus", "cpu", "accelerator", "mps", "backend", "onednn", "tensorrt"),
               ("mixed precision", "tensor cores")),
    "distributed": (("rank", "nccl", "gloo", "distributed", "ddp", "fsdp", "rendezvous"), ("world size",)),
    "data": (("dataset", "datasets", "dataloader", "examples", "samples", "tokens", "vocab", "vocabulary", "characters", "shuffling",
              "downloading", "downloaded", "download", "images", "corpus", "records"), ("split up",)),
    "finish": (("finish", "finished", "complete", "completed", "done", "stopped", "exiting", "shutdown", "goodbye"),
               ("end of", "shutting down")),
    "start": (("start", "started", "starting", "initializing", "initialized", "initialising", "initialised", "initialize", "launching",
               "launched", "launch", "begin", "beginning", "running", "creating", "loading", "loaded", "listening"), ()),
    "model": (("model", "parameter", "parameters", "params", "optimizer", "adam", "adamw", "sgd", "layer", "layers", "weights", "module",
               "modules", "criterion"), ()),
    "seed": (("seed", "deterministic"), ()),
    "settings": (("config", "configuration", "arguments", "hyperparameters", "settings", "overriding", "override"), ()),
    "track": (("tensorboard", "wandb", "mlflow", "comet", "clearml"), ()),
    "log": (("log", "logs", "logging", "logger"), ()),
}  # fmt: skip


def _by_word(table: dict[str, tuple[tuple[str, ...], tuple[str, ...]]]) -> dict[str, int]:
    """Word → place in *table* of the first name that has it."""
    found: dict[str, int] = {}
    for place, (words, _) in enumerate(table.values()):
        for word in words:
            found.setdefault(word, place)
    return found


_SEVERE_WORDS, _EVENT_WORDS = _by_word(_SEVERE), _by_word(_EVENTS)


def _first(low: str, table: dict[str, tuple[tuple[str, ...], tuple[str, ...]]], words: dict[str, int]) -> str:
    """The first name of *table* of which *low* has a word or a phrase; "" for none."""
    best = min((words[w] for w in _WORDS.findall(low) if w in words), default=len(table))
    for place, (name, (_, phrases)) in enumerate(table.items()):
        if place >= best or any(phrase in low for phrase in phrases):
            return name
    return ""


_REQUEST = re.compile(
    r'"(?:GET|POST|PUT) \S+ HTTP|\b(?:predict(?:ion|ions|ed|ing)?|inference|infer|request|response|generated|served)\b',
    re.I,
)
#: ``ValueError: bad`` without its traceback.
_ENDING = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Z]\w*(?:Error|Exception): ")
_DECORATION = re.compile(r"^[\s\-=_*#~+.|│┃┏┓┗┛┡┩├┤└┘┌┐┬┴┼┳┻╇╈━─═╭╮╯╰<>]*$")
_TABLE = re.compile(r"^\s*[│┃|].*[│┃|]\s*$")
_MODULE = re.compile(r"^\s*\([\w.\x00]+\): [\w.]+\(|^[A-Z]\w*\($|^\s*\)$")


def header(shape: str) -> tuple[str, int]:
    """The level that *shape* begins with ("" if none), and where its message begins."""
    found = _TF.match(shape)
    if found:
        return _TF_LEVELS[found[1]], found.end()
    start = _HEADER.match(shape[:160])
    if start:
        return _LEVEL_WORDS[start[1]], _behind_place(shape, start.end())
    small = _SMALL_HEADER.match(shape[:80])
    if small:
        return _LEVEL_WORDS[(small[1] or small[2]).upper()], small.end()
    return "", len(shape) - len(shape.lstrip(" \t-|:,\x00")) if shape[:2] in (" -", "- ", ": ", " |") else 0


def _behind_place(shape: str, start: int) -> int:
    place = _PLACE.match(shape[start : start + 160])
    return start + place.end() if place else start


def warning_category(text: str) -> str:
    """``UserWarning`` of a line that Python's warnings wrote; "" for others."""
    found = _PY_WARNING.search(text)
    return found[1] if found else ""


def severity(message: str) -> str:
    """The level that the words of a message without one have."""
    low = message.lower()
    found = _first(low, _SEVERE, _SEVERE_WORDS)
    if not found and _ENDING.match(message):
        return "error"
    return found or "info"


def event(message: str) -> str:
    """What a message says has happened; "" where its words are not known."""
    return _first(message.lower(), _EVENTS, _EVENT_WORDS)


def is_request(message: str) -> bool:
    """Whether a message is about a prediction that was asked for."""
    return bool(_REQUEST.search(message))


def is_decoration(message: str) -> bool:
    """Whether there is nothing but rulers."""
    return bool(_DECORATION.match(message))


def is_description(message: str) -> bool:
    """Whether it is a row of a table or of a module's print: a model that is described."""
    return bool(_TABLE.match(message) or _MODULE.match(message))


def level_word(text: str) -> str:
    """The level that a field says; "" if it is none."""
    return _LEVEL_WORDS.get(text.strip().upper(), "")
