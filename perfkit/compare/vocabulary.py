"""The parts that a step is divided into, whatever computes it, so that unlike machines can be told apart by the same words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

#: Where a part's time goes: arithmetic on whatever computes, the host getting it there, one waiting for the other, work between the steps.
Place = Literal["work", "host", "waiting", "between", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One part: what a person calls it, what loses time in it (model.records.CAUSES), and where. Without a cause it stays unexplained."""

    label: str
    cause: str | None
    place: Place


PARTS: dict[str, Kind] = {
    # Work by class, as analyze.classes has them.
    "matmul": Kind(label="matrix products", cause="kernel", place="work"),
    "convolution": Kind(label="convolutions", cause="kernel", place="work"),
    "attention": Kind(label="attention", cause="kernel", place="work"),
    "normalisation": Kind(label="normalisation", cause="kernel", place="work"),
    "elementwise": Kind(label="elementwise work", cause="kernel", place="work"),
    "reduction": Kind(label="reductions", cause="kernel", place="work"),
    "optimizer": Kind(label="the optimizer's work", cause="optimizer", place="work"),
    "embedding": Kind(label="embeddings", cause="kernel", place="work"),
    "pooling": Kind(label="pooling", cause="kernel", place="work"),
    "other": Kind(label="other operators", cause="kernel", place="work"),
    "copy": Kind(label="copies and conversions", cause="transfer", place="work"),
    "memset": Kind(label="filling memory", cause="kernel", place="work"),
    "communication": Kind(label="communication", cause="communication", place="work"),
    # What a device waits for.
    "launch": Kind(label="launches", cause="launch", place="host"),
    "input": Kind(label="waiting for data", cause="input", place="host"),
    "idle sync": Kind(label="waits of the host for the device", cause="sync", place="waiting"),
    "idle copy": Kind(label="waiting for copies", cause="transfer", place="waiting"),
    "idle communication": Kind(label="waiting for other ranks", cause="communication", place="waiting"),
    "idle other": Kind(label="the device idle, why is not known", cause=None, place="unknown"),
    # What a processor does beside the work.
    "dispatch": Kind(label="calling operators", cause="launch", place="host"),
    "python": Kind(label="Python between operators", cause="python", place="host"),
    # Phases of which no trace tells more.
    "prepare": Kind(label="preparing batches", cause="transfer", place="host"),
    "forward": Kind(label="forward", cause="kernel", place="work"),
    "backward": Kind(label="backward", cause="kernel", place="work"),
    "optimizer step": Kind(label="the optimizer's step", cause="optimizer", place="work"),
    "function": Kind(label="the function that does a step", cause="kernel", place="work"),
    # Between the steps.
    "callbacks": Kind(label="callbacks", cause="python", place="between"),
    "evaluation": Kind(label="evaluation", cause="evaluation", place="between"),
    "checkpoint": Kind(label="checkpoints", cause="checkpoint", place="between"),
    "logging": Kind(label="logging", cause="logging", place="between"),
    "perfkit": Kind(label="perfkit's own work", cause="python", place="between"),
    # What stays unexplained.
    "uneven": Kind(label="steps slower than the median", cause=None, place="unknown"),
    "untold": Kind(label="what no phase tells", cause=None, place="unknown"),
    "step": Kind(label="the step, of which no more is known", cause=None, place="unknown"),
}

MATRIX = frozenset(("matmul", "convolution", "attention"))
#: Arithmetic, by class or by phase.
WORK = frozenset(name for name, kind in PARTS.items() if kind.place == "work")
#: What the host's speed decides.
HOST = frozenset(name for name, kind in PARTS.items() if kind.place in ("host", "between"))
#: What costs the same for a large batch as for a small one.
FIXED = frozenset(
    ("launch", "dispatch", "python", "optimizer", "optimizer step", "callbacks", "logging", "perfkit", "prepare")
)
#: How ready the device is for work that the host has: its launches, or what takes their place on a processor.
LAUNCHING = frozenset(("launch", "dispatch", "python"))
