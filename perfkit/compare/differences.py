"""The facts in which two runs can differ, and which parts of the step each of them bears on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from . import facts
from .vocabulary import FIXED, HOST, LAUNCHING, MATRIX, PARTS, WORK

if TYPE_CHECKING:
    from collections.abc import Callable

    from .facts import Row, Value

EVERYTHING = frozenset(PARTS)
_LIBRARIES = (
    "torch",
    "tensorflow",
    "tensorflow-cpu",
    "keras",
    "jax",
    "jaxlib",
    "numpy",
    "triton",
    "transformers",
    "lightning",
)
_SIGNIFICANT_DIGITS = 3
OTHERS = "cores that others kept busy"
# So many cores more or less of others make no difference.
QUIET_CORES = 0.25

SOURCE = "source"


@dataclass(frozen=True, kw_only=True)
class Fact:
    """One fact: what it is called, how a document tells it, and what a difference in it can explain."""

    name: str
    read: Callable[[Row], Value]
    #: Parts that it bears on.
    explains: frozenset[str]
    #: What loses the time where it differs; None leaves the part its own cause.
    cause: str | None = None
    #: On which side of the machine: a processor's facts bear on work only where a processor computes.
    of: Literal["processor", "device", "both"] = "both"
    #: Numbers closer than this factor are the same.
    tolerance: float = 1.0
    unit: str = ""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A fact in which two runs differ; None is what a run does not tell."""

    fact: Fact
    before: Value
    after: Value

    @property
    def text(self) -> str:
        """``threads 1 → 2``."""
        if self.fact.name == SOURCE:  # its digests say nothing to a person
            return "another source"
        unit = f" {self.fact.unit}" if self.fact.unit else ""
        return f"{self.fact.name} {_said(self.before)} → {_said(self.after)}{unit}"

    @property
    def is_known(self) -> bool:
        """Whether both sides tell it: what only one of them tells explains nothing."""
        return self.before is not None and self.after is not None


def _said(value: Value) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.{_SIGNIFICANT_DIGITS}g}" if value < 1000 else f"{value:.0f}"
    return "not known" if value is None else str(value)


#: In the order in which they are told. Those that a person sets come before those that a machine has.
FACTS: tuple[Fact, ...] = (
    Fact(name="device", read=facts.device_name, explains=WORK | {"idle copy", "idle sync"}),
    Fact(name="precision", read=facts.precision, explains=WORK, cause="precision"),
    Fact(name="threads", read=facts.threads, explains=WORK | {"evaluation", "input"}, cause="threads", of="processor"),
    Fact(name="batch", read=facts.batch, explains=FIXED | WORK, cause="batch"),
    Fact(name="ranks", read=facts.ranks, explains=frozenset(("communication", "idle communication")), cause="communication"),
    Fact(name="loader workers", read=facts.loader("num_workers"), explains=frozenset(("input", "prepare")), cause="input"),
    Fact(name="pinned memory", read=facts.loader("pin_memory"), explains=frozenset(("copy", "idle copy", "idle sync", "prepare")), cause="transfer"),
    Fact(name="optimizer", read=facts.optimizer, explains=frozenset(("optimizer", "optimizer step", *LAUNCHING)), cause="optimizer"),
    Fact(name="compiled", read=facts.compiled, explains=WORK | LAUNCHING, cause="compile"),
    Fact(name="fixes", read=facts.applied, explains=EVERYTHING),
    Fact(name="float32 products", read=facts.torch("matmul_precision"), explains=MATRIX, cause="precision"),
    Fact(name="cuDNN benchmark", read=facts.torch("cudnn_benchmark"), explains=frozenset(("convolution",)), of="device"),
    Fact(name="channels last", read=lambda d: facts.plain(facts.settings(d, "model").get("channels_last")), explains=WORK),
    Fact(name="deterministic", read=facts.torch("deterministic"), explains=WORK),
    Fact(name="environment", read=facts.environment, explains=EVERYTHING),
    Fact(name="processor", read=facts.host("cpu"), explains=HOST | WORK, of="processor"),
    Fact(name="instruction sets", read=facts.host("instruction_sets"), explains=WORK, of="processor"),
    Fact(name="usable cores", read=facts.host("usable_cores"), explains=HOST | WORK, of="processor"),
    Fact(name=OTHERS, read=lambda d: facts.plain(d["utilization"].get("others_cores")), explains=HOST | WORK, of="processor"),
    Fact(name="driver", read=facts.detail("driver"), explains=WORK | {"launch"}, of="device"),
    Fact(name="power limit", read=facts.detail("power_limit_mw"), explains=WORK, of="device", unit="mW"),
    Fact(name="device clock", read=facts.clock("sm_clock_mhz"), explains=WORK, of="device", tolerance=1.03, unit="MHz"),
    Fact(name="memory clock", read=facts.clock("memory_clock_mhz"), explains=WORK, of="device", tolerance=1.03, unit="MHz"),
    *(Fact(name=name, read=facts.package(name), explains=WORK | LAUNCHING) for name in _LIBRARIES),
    Fact(name="code", read=facts.code, explains=EVERYTHING),
    Fact(name=SOURCE, read=facts.source, explains=EVERYTHING),
    Fact(name="arguments", read=facts.arguments, explains=EVERYTHING),
    Fact(name="script", read=facts.script, explains=EVERYTHING),
    Fact(name="model", read=facts.model, explains=EVERYTHING),
)  # fmt: skip
BY_NAME = {fact.name: fact for fact in FACTS}


def differences(before: Row, after: Row) -> list[Difference]:
    """The facts in which two documents' runs differ."""
    found = (Difference(fact=fact, before=fact.read(before), after=fact.read(after)) for fact in FACTS)
    return [one for one in found if _differs(one)]


def _differs(one: Difference) -> bool:
    first, second = one.before, one.after
    if (
        isinstance(first, bool)
        or isinstance(second, bool)
        or not (isinstance(first, float) and isinstance(second, float))
    ):
        return first != second
    if one.fact.name == OTHERS:
        return abs(first - second) > QUIET_CORES
    low, high = sorted((first, second))
    return high > low * one.fact.tolerance


def explaining(name: str, found: list[Difference], *, on_processor: bool) -> list[Difference]:
    """Those differences that bear on the part *name* where a processor computes on either side, or none does."""
    return [
        one
        for one in found
        if one.is_known and name in one.fact.explains and _bears(one, name, on_processor=on_processor)
    ]


def _bears(one: Difference, name: str, *, on_processor: bool) -> bool:
    if one.fact.of == "processor":
        return on_processor or name in HOST
    return one.fact.of == "both" or not on_processor


def configuration(document: Row) -> tuple[Value, ...]:
    """What runs must agree in to be repeats of one another: everything that was set, and the kind of machine."""
    measured = (OTHERS, "device clock", "memory clock")
    told = tuple(fact.read(document) for fact in FACTS if fact.name not in measured)
    return (*told, facts.thread_variables(document), document["mode"])
