"""What a line of a given shape means: which of its numbers is the epoch, the step, which metric. A pure function of the shape."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from . import structured, table, vocabulary
from .drain import Template
from .folds import Fold
from .labels import Meaning, meaning
from .records import LineClass
from .shapes import PLACE
from .tracebacks import START
from .units import behind

_TQDM = re.compile(r"\x00%\|.*?\||\x00(?:it|\w+) \[\x00:\x00")
_KERAS = re.compile(r"\x00/\x00 (?:[━╸╺─]+|\[[=>.]+\])")
_EPOCH_LINE = re.compile(r"^\W*epoch\W{1,3}\x00(?:\s*/\s*\x00)?\W*$", re.I)
_ASSIGNMENT = re.compile(r"^(?:overriding:?\s+)?([A-Za-z_][\w.]*)\s*=\s*\S", re.I)
_COMMENT = re.compile(r"^\s*#")
_OF_IMAGES = re.compile(
    r"^\W*(?:(train|test|val|validation)\w* )?(accuracy|acc|loss|error) of the [\w ]+? on (?:the )?[^:]*(?:: ?|is )$",
    re.I,
)
_SPLIT_LINE = re.compile(
    r"^[\W\d\x00]*(?:end of )?(test|val|valid|validation|eval|evaluation|evaluating|dev|train|training)\b", re.I
)
_SPLITS = {"test": "test", "train": "train", "training": "train"}
#: A label: words, brackets as in ``D(G(z))``, then what joins it to the number.
_WORD = r"[A-Za-zα-ωΑ-Ω_][\w@/.\-]*(?:\([\w()/]*\))?"
_JOINED = re.compile(rf"({_WORD}(?: {_WORD}){{0,3}})[\"']?\s*(?::=?|=>?|->)\s*[\"'(\[]?\s*(?:tensor\()?([-+]?)$")
_SPACED = re.compile(rf"({_WORD}(?: {_WORD}){{0,2}})\s+[\[(]?\s*([-+]?)$|(\|?)\s*({_WORD})[\[(]$")
#: The unit of the number before, at the beginning of the text between two: ``98.1it/s v_num: 0``.
_UNIT_BEFORE = re.compile(r"^[A-Za-z%µ]+(?:/[A-Za-z]+)?(?=[\s,;|)])")
_PIPED = re.compile(rf"\|\s*({_WORD}(?: {_WORD})?)\s+([-+]?)$")
_CONSTANT = re.compile(
    rf"(?<![\w@/.\-])({_WORD}(?: {_WORD})?)[\"']?\s*[:= ]\s*[\"']?(-?(?:nan|NaN|NAN|inf|Infinity))(?!\w)"
)
_MISSING = re.compile(r"[:=]\s*[\"']?(?:None|null|N/A|NA)(?!\w)")
#: What may stand between a label, with what joins it, and its number.
_OPENING = " \t\"'([-+"
#: How much of the text before a number is looked at.
_REACH = 60
#: How much of a message is read for meaning, and how many of its numbers.
MAX_SCANNED = 4096
MAX_NUMBERS = 200
#: A line that says of which split the next one is: ``Test Error:``.
_HEADING = re.compile(
    r"^\W*(?:test|val|valid|validation|eval|evaluation|dev)(?: (?:set|error|results?|metrics|performance))?\s*:$", re.I
)
HEADING = "heading"
#: ``event`` of a line that begins a traceback.
TRACEBACK = "traceback"
_TIME_KEYS = {
    "time",
    "timestamp",
    "ts",
    "asctime",
    "@timestamp",
    "datetime",
    "date",
    "_timestamp",
    "wall_time",
    "walltime",
}
_LEVEL_KEYS = {"level", "levelname", "severity", "lvl"}
_MESSAGE_KEYS = {"message", "msg", "event", "text"}


@dataclass(slots=True)
class Value:
    """A metric in a line: the index of its number (-1: ``constant``), and what to do with it."""

    name: str
    index: int
    scale: float = 1.0
    invert: bool = False
    #: Index of the number it is divided by (``9123/10000``); -1 for none.
    over: int = -1
    constant: float = 0.0
    percent: bool = False


@dataclass(slots=True)
class Plan:
    """What a shape means. Indexes count the numbers of the line from 0; -1 where there is none."""

    taken_for: LineClass = "unknown"
    level: str = ""
    event: str = ""
    epoch: int = -1
    step: int = -1
    #: A place within the epoch, and what it counts up to.
    position: int = -1
    total: int = -1
    values: list[Value] = field(default_factory=list)
    #: "" or which kind of progress bar it is.
    bar: str = ""
    percent: int = -1
    #: A time in a field of JSON: its text with PLACE for numbers, and the first one's index.
    time_text: str = ""
    time_first: int = -1
    #: Numbers before the message begins; the characters of the shape before it.
    first: int = 0
    start: int = 0
    missing: int = 0
    #: Of a line that names columns: what stands between them. Of a Python warning: its category.
    separator: str = ""
    category: str = ""
    #: The template, and the series that values go to; set by the analysis.
    template: Template | None = None
    #: Why a line of this shape was not read, where there is a reason.
    why: str = ""
    bound: list[tuple[Fold, Value]] | None = None
    #: The split that names without one have.
    split: str = "train"


def plan_of(shape: str) -> Plan:
    """The plan of *shape* (a line without its time stamp, PLACE for every number)."""
    level, start = vocabulary.header(shape)
    plan = Plan(level=level, start=start, first=shape.count(PLACE, 0, start))
    message = shape[start:].strip()
    if START in message:
        plan.taken_for, plan.event = "runtime", TRACEBACK
        return plan
    if not message or vocabulary.is_decoration(message):
        plan.taken_for = "blank" if not level else "runtime"
        return plan
    if structured.looks_like_data(message):
        if structured.too_deep(message):
            plan.why = f"nested deeper than {structured.MAX_DEPTH} or longer than {structured.MAX_LENGTH} characters"
            return plan
        found = structured.leaves(message, plan.first)
        if found is not None:
            return _of_data(plan, found)
    plan.separator = table.separator_of(message) if not plan.first and not level else ""
    plan.category = vocabulary.warning_category(message)
    if plan.separator or plan.category:
        plan.taken_for = "param" if plan.separator else "runtime"
        plan.level, plan.event = ("info", "") if plan.separator else (plan.level or "warning", "warning")
        return plan
    plan.split = _split_of(shape[:start], message)
    if _HEADING.match(message):
        plan.taken_for, plan.event = "progress", HEADING
        return plan
    _scan(plan, message)
    _classify(plan, message)
    return plan


def _split_of(head: str, message: str) -> str:
    found = _SPLIT_LINE.match(message) or re.search(r"\|\s*(valid|test)\s*\|\s*$", head)
    if found:
        return _SPLITS.get(found[1].lower(), "val")
    return "val" if message.startswith("* ") else "train"


# -- running text


def _scan(plan: Plan, message: str) -> None:
    """Find out what each number of *message* is."""
    parts = message[:MAX_SCANNED].split(PLACE)
    numbers = min(len(parts) - 1, MAX_NUMBERS)
    plan.bar = "tqdm" if _TQDM.search(message) else "keras" if _KERAS.search(message) else ""
    pairs = 0  # a/b without a name, so far
    skip_until = -1
    for i in range(numbers):
        left, right = _UNIT_BEFORE.sub("", parts[i][-_REACH:]) if i else parts[i][-_REACH:], parts[i + 1]
        if i <= skip_until or (i and parts[i] == ":") or (right == ":" and i + 1 < numbers):  # 00:01 is a time of day
            continue
        paired = right.strip() == "/" and i + 1 < numbers
        index = plan.first + i
        if right.startswith("%|"):
            plan.percent = index
            continue
        if i == 0 and left == "[" and right.startswith("]") and numbers > 1:  # [100] train-rmse:0.12
            plan.step = index
            continue
        said, negative = _meaning_at(plan, parts, i, left, right)
        if paired and said.role in ("none", "position", "skip"):
            pairs += 1
            skip_until = i + 1
            _unnamed_pair(plan, index, pairs)
        elif said.role == "epoch":
            plan.epoch = index if plan.epoch < 0 else plan.epoch
            skip_until = i + 1 if paired else skip_until
        elif said.role == "step" or said.role == "position":
            if paired:
                plan.position, plan.total, skip_until = index, index + 1, i + 1
            elif said.role == "step":
                plan.step = index
            else:
                plan.position = index
        elif said.role in ("metric", "number", "param"):
            value = Value(said.name, index, -said.scale if negative else said.scale, said.invert, percent=said.percent)
            if paired and said.name.endswith(("accuracy", "/acc", "correct", "error")):
                value.over, skip_until = index + 1, i + 1
            plan.values.append(value)
            plan.event = plan.event or ("metric" if said.role == "metric" else "")
            if said.role == "param":
                value.name = f"param:{said.name}"
    _constants(plan, message[:MAX_SCANNED])


def _meaning_at(plan: Plan, parts: list[str], i: int, left: str, right: str) -> tuple[Meaning, bool]:
    label, joined, negative = _label(left)
    unit = behind(right, count="param" in label.lower())
    if (
        i and joined and (whole := _OF_IMAGES.match("".join(parts[: i + 1])))
    ):  # Accuracy of the model on the 10000 test images: 97 %
        split = _SPLITS.get((whole[1] or "test").lower(), "val")
        return meaning(whole[2], unit, split=split, joined=True), False
    if label.lower() == "data" and any(value.name == "perf/time_s" for value in plan.values):  # Time 0.25 Data 0.01
        return Meaning("metric", "perf/data_time_s"), False
    return meaning(label, unit, split=plan.split, joined=joined), negative


def _label(left: str) -> tuple[str, bool, bool]:
    """The words that name the number behind *left*, whether they are joined to it by a sign, and whether it is negative."""
    left = left.replace("'s ", " ")
    joint = left.rstrip(_OPENING)
    if joint.endswith((":", "=", ">", "tensor")):
        named = _JOINED.search(left)
        if named:
            return named[1], True, named[2] == "-"
    if "|" in left:
        piped = _PIPED.search(left)
        if piped:
            return piped[1], True, piped[2] == "-"
    if joint and (joint[-1].isalpha() or joint[-1] in "_)@" or joint[-1].isdigit()):
        spaced = _SPACED.search(left)
        if spaced:
            return spaced[1] or spaced[4], False, spaced[2] == "-"
    return "", False, left.endswith("-")


def _unnamed_pair(plan: Plan, index: int, pairs: int) -> None:
    """``[3/25][100/1583]``: an epoch, then a place in it; alone it is a place in the epoch."""
    if pairs == 2 and plan.epoch < 0 and plan.position >= 0 and not plan.values:
        plan.epoch, plan.position, plan.total = plan.position, index, index + 1
    elif plan.position < 0:
        plan.position, plan.total = index, index + 1


def _constants(plan: Plan, message: str) -> None:
    """Values that are no digits: NaN, infinity; and what is missing."""
    low = message.lower()
    for found in _CONSTANT.finditer(message) if "nan" in low or "inf" in low else ():
        said = meaning(found[1], None, split=plan.split, joined=True)
        if said.role == "metric":
            plan.values.append(Value(said.name, -1, constant=structured.NOT_FINITE.get(found[2], float("nan"))))
            plan.event = "metric"
    plan.missing = len(_MISSING.findall(message)) if "None" in message or "null" in low or "NA" in message else 0


def _classify(plan: Plan, message: str) -> None:
    metric, plan.event = plan.event == "metric", ""
    placed = plan.epoch >= 0 or plan.step >= 0 or plan.position >= 0
    params = [v for v in plan.values if v.name.startswith("param:")]
    _name_times(plan)
    if plan.bar:
        plan.taken_for = "progress"
        plan.values = [v for v in plan.values if not v.name.startswith("param:")]
        return
    assignment = _ASSIGNMENT.match(message)
    if assignment and not placed and len(message) < 300 and not _has_loss(plan):
        plan.taken_for, plan.values = "param", []
        return
    if (metric and (placed or len(plan.values) > len(params)) and not _only_rates(plan, placed)) or (
        placed and plan.values and len(params) < len(plan.values)
    ):
        plan.taken_for = "predict" if vocabulary.is_request(message) and not _has_loss(plan) else "metric"
        plan.values = [v for v in plan.values if not v.name.startswith("param:")]
        return
    plan.values = []
    if params or (vocabulary.is_description(message)):
        plan.taken_for = "param"
    elif _EPOCH_LINE.match(message):
        plan.taken_for, plan.event = "progress", "epoch"
    elif vocabulary.is_request(message):
        plan.taken_for = "predict"
    else:
        _as_runtime(plan, message[:MAX_SCANNED], placed)


def _has_loss(plan: Plan) -> bool:
    return any(v.name.endswith(("loss", "accuracy")) for v in plan.values)


def _only_rates(plan: Plan, placed: bool) -> bool:
    """Whether there is nothing but a learning rate without a place: a setting rather than a measurement."""
    return not placed and all(v.name == "train/learning_rate" or v.name.startswith("param:") for v in plan.values)


def _name_times(plan: Plan) -> None:
    """``time`` is the step's where the line has a step, else the epoch's."""
    stepped = plan.step >= 0 or plan.position >= 0
    for value in plan.values:
        if value.name == "perf/time_s":
            value.name = "perf/step_time_s" if stepped else "perf/epoch_time_s"


def _as_runtime(plan: Plan, message: str, placed: bool) -> None:
    said = vocabulary.severity(message)
    bad = plan.level in ("warning", "error", "critical")
    plan.event = vocabulary.event(message)
    if _COMMENT.match(message) and not bad:
        plan.event, said = "", "info"
    if not plan.level and said != "info":
        plan.level, bad = said, True
    if bad or plan.event:
        plan.taken_for = "runtime"
    elif placed and (plan.position >= 0 or plan.epoch >= 0):
        plan.taken_for = "progress"


# -- objects


def _of_data(plan: Plan, found: structured.Leaves) -> Plan:
    plan.missing = found.missing
    keys = {name.lower() for name, _, _ in found.numbers} | {name.lower() for name, _ in found.constants}
    split = "train"
    for name, text, first in found.texts:
        key = name.lower()
        if key in _TIME_KEYS:
            plan.time_text, plan.time_first = text, first
        elif key in _LEVEL_KEYS:
            plan.level = vocabulary.level_word(text)
        elif key in ("split", "mode", "phase", "stage"):
            split = _split_of("", text)
    params = 0
    for name, index, negative in found.numbers:
        params += _leaf(plan, name, index, negative, split, summary="train_runtime" in keys)
    for name, constant in found.constants:
        said = meaning(name, None, split=split, joined=True)
        if said.role in ("metric", "number"):
            plan.values.append(Value(said.name, -1, constant=constant))
            plan.event = "metric" if said.role == "metric" else plan.event
    return _judge_data(plan, found, params)


def _leaf(plan: Plan, name: str, index: int, negative: bool, split: str, *, summary: bool) -> int:
    """Take one number of an object; whether it is a parameter."""
    key = name.rpartition("/")[2].lower()
    if key in _TIME_KEYS:
        plan.time_text, plan.time_first = PLACE, index
        return 0
    said = meaning(name, None, split=split, joined=True)
    if said.role in ("epoch", "step", "position"):
        setattr(plan, said.role, index)
        return 0
    if said.role == "metric" or said.role == "number":
        target = "train/mean_loss" if summary and said.name == "train/loss" else said.name
        plan.values.append(Value(target, index, -said.scale if negative else said.scale, said.invert))
        plan.event = "metric" if said.role == "metric" else plan.event
    return int(said.role == "param")


def _judge_data(plan: Plan, found: structured.Leaves, params: int) -> Plan:
    metric, plan.event = plan.event == "metric", ""
    placed = plan.epoch >= 0 or plan.step >= 0
    texts = {name.lower(): text for name, text, _ in found.texts}
    message = next((texts[key] for key in _MESSAGE_KEYS if key in texts), "")
    settings = len([t for t in texts if t not in _TIME_KEYS | _LEVEL_KEYS | _MESSAGE_KEYS]) + params
    if any("latency" in v.name or "request" in v.name for v in plan.values) and not _has_loss(plan):
        plan.taken_for = "predict"
    elif plan.values and (placed or (metric and settings <= 3 and not _only_rates(plan, placed))):
        plan.taken_for = "metric"
    elif message or plan.level:
        plan.values = []
        _as_runtime(plan, message, placed)
    elif settings or plan.values:
        plan.taken_for, plan.values = "param", []
    return plan
