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
_PY_WARNING = re.compile(r"(?:^|: )(\w*Warning): ")

_CRITICAL = re.compile(
    r"\bsegmentation fault|core dumped|\bkilled\b|out of memory|\boom[- ]?kill|\bfatal\b|\bpanic\b|cuda error|terminate called|device-side assert"
)
_ERROR = re.compile(
    r"\b(?:error|exception|failed|failure|abort(?:ed|ing)?|crash(?:ed)?|corrupt(?:ed)?|sigterm|sigkill|sigsegv)\b|^\w+error: "
)
_WARNING = re.compile(
    r"\bwarning\b|deprecat|\bcannot\b|could not|couldn't|\boverflow|\bretry(?:ing)?\b|timed? ?out|\bslow\b|\bnot found\b|\bskipp(?:ed|ing)\b"
)

#: What happened → how it is said. The first that fits is it.
_EVENTS = tuple(
    (name, re.compile(pattern))
    for name, pattern in {
        "out_of_memory": r"out of memory|\boom\b",
        "early_stop": r"early stopp|stopping early|restoring model weights",
        "learning_rate": r"reduc\w+ learning rate|learning rate (?:to|is|set)|lr (?:reduced|set|decay)",
        "checkpoint": r"\bcheckpoint|\b(?:saving|saved|save)\b.*(?:model|weights|state|to\b)|improved from|did not improve|\bbest (?:so far|model)|is the best",
        "resume": r"\bresum|\brestor(?:ed|ing)\b|=> load|load(?:ed|ing) (?:from|checkpoint|weights|pretrained|model)",
        "compile": r"\bcompil(?:ing|ed|ation)\b|\btracing\b|\bjit\b|cudnn|xla",
        "device": r"\b(?:device|cuda|gpus?|tpus?|cpu|accelerator|mps|backend|onednn|tensorrt|mixed precision|tensor cores)\b|cpu instructions",
        "distributed": r"\b(?:rank|nccl|gloo|world size|distributed|ddp|fsdp|rendezvous|master_addr)\b",
        "data": r"\b(?:dataset|dataloader|examples|samples|tokens|vocab\w*|characters|shuffl\w+|downloading|download(?:ed)?|split up|images|corpus|records)\b",
        "finish": r"\b(?:finish(?:ed)?|complet(?:e|ed)|done|end of|stopped|max_epochs|exiting|shutdown|shutting down|goodbye)\b",
        "start": r"\b(?:start(?:ed|ing)?|initializ\w+|initialis\w+|launch\w*|begin\w*|running|creating|loading|loaded|listening)\b",
        "model": r"\b(?:model|parameters?|params|optimizer|adamw?|sgd|layers?|weights|module|criterion)\b",
        "seed": r"\bseed\b|\bdeterministic\b",
        "settings": r"\b(?:config(?:uration)?|arguments|hyper-?parameters|settings|overrid\w+)\b",
        "track": r"tensorboard|wandb|weights & biases|mlflow|comet|clearml",
        "log": r"\blog(?:s|ging|_interval| messages| file)\b",
    }.items()
)  # fmt: skip
_REQUEST = re.compile(
    r'"(?:GET|POST|PUT) \S+ HTTP|\b(?:predict(?:ion|ions|ed|ing)?|inference|infer|request|response|generated|served)\b',
    re.I,
)
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
    if _CRITICAL.search(low):
        return "critical"
    if _ERROR.search(low):
        return "error"
    return "warning" if _WARNING.search(low) else "info"


def event(message: str) -> str:
    """What a message says has happened; "" where its words are not known."""
    low = message.lower()
    return next((name for name, pattern in _EVENTS if pattern.search(low)), "")


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
