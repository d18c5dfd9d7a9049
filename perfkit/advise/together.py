"""What a list of findings could give together: gains that compete for the same time are not added up.

The step is a set of disjoint *pools*: the host's phases, and where a device computes, its time instead of the
compute phases. Each finding takes its gain out of some of them. Gains from different pools add up; within a pool a
second gain finds only what the first has left (the high end), or perhaps nothing (the low end: both may mean the same
time). Of findings that are alternatives to one another only the best counts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..model.records import Finding, Interval

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .evidence import Evidence

Pools = dict[str, float]

COMPUTE = ("forward", "backward", "optimizer", "function")
MATRIX = ("matmul", "convolution", "attention")
IDLE = ("input", "launch", "sync", "copy", "communication", "other")
#: Every pool there can be.
POOLS = ("data", "forward", "backward", "optimizer", "function", "callbacks", "matrix", "device", "launch", "sync", "copy", "communication",
         "evaluation", "checkpoint", "logging", "other")  # fmt: skip

# Where a gain comes from unless its finding says so itself, by cause.
_OF_CAUSE = {
    "input": ("data",), "transfer": ("copy",), "launch": ("launch", *COMPUTE), "sync": ("sync",),
    "precision": ("matrix", "forward", "backward", "function"), "batch": ("launch", *COMPUTE),
    "threads": COMPUTE, "python": (*COMPUTE, "launch", "other"), "optimizer": ("optimizer",),
    "compile": ("device", "launch", "forward", "backward", "function"), "kernel": ("matrix", "device", "forward", "backward", "function"),
    "evaluation": ("evaluation",), "checkpoint": ("checkpoint",), "logging": ("logging",),
    "communication": ("communication",),
}  # fmt: skip


def together(findings: Iterable[Finding], evidence: Evidence) -> Interval | None:
    """What all *findings* on the steady step save together, or on the whole run where that is all they are about.

    None without any.
    """
    found = list(findings)
    steady = [finding for finding in found if finding.basis == "steady"]
    chosen = best_of_alternatives(steady or found)
    if not chosen:
        return None
    pools = step_pools(evidence) if steady else {"run": 1.0}
    low = _end(pools, [(f, f.saves.low) for f in chosen], _competing)
    high = _end(pools, [(f, f.saves.high) for f in chosen], _in_turn)
    return Interval(low=min(low, high), high=high)


def best_of_alternatives(findings: Iterable[Finding]) -> list[Finding]:
    """*findings* with only the surest gain of each group of alternatives."""
    best: dict[str, Finding] = {}
    for number, finding in enumerate(findings):
        key = finding.alternatives or f"#{number}"
        if key not in best or _size(finding) > _size(best[key]):
            best[key] = finding
    return list(best.values())


def _size(finding: Finding) -> tuple[float, float]:
    return finding.saves.low, finding.saves.high


def step_pools(evidence: Evidence) -> Pools:
    """Shares of the mean steady step by pool; disjoint, adding up to 1."""
    pools: Pools = {}
    for row in evidence.breakdown or []:
        _add(pools, row["name"] if row["name"] in POOLS else "other", row["share"])
    device = _device_pools(evidence)
    if device:
        compute = sum(pools.pop(name, 0.0) for name in COMPUTE) if pools else 1.0
        if pools:
            device.pop("data", None)
        total = sum(device.values())
        for name, share in device.items():
            _add(pools, name, compute * share / total if total else 0.0)
    whole = sum(pools.values())
    return {name: share / whole for name, share in pools.items() if share > 0} if whole > 0 else {"other": 1.0}


def _device_pools(evidence: Evidence) -> Pools:
    pools: Pools = {}
    for row in evidence.device_breakdown or []:
        _add(pools, _device_pool(row["name"], row["kind"]), row["share"])
    return pools


def _device_pool(name: str, kind: str) -> str:
    if kind == "idle":
        return "data" if name == "input" else name if name in IDLE else "other"
    if name in MATRIX:
        return "matrix"
    return name if name in ("optimizer", "copy", "communication") else "device"


def _add(pools: Pools, name: str, share: float) -> None:
    pools[name] = pools.get(name, 0.0) + share


def _end(pools: Pools, gains: list[tuple[Finding, float]], left: Callable[[float, list[float]], float]) -> float:
    """One end of the interval: at least the largest gain alone, at most everything."""
    takes = [spread(gain, _weights(finding, pools), pools) for finding, gain in gains]
    rest = sum(left(size, [take[name] for take in takes]) for name, size in pools.items())
    alone = max(gain for _, gain in gains)
    return min(1.0, max(1 - rest, alone))


def _competing(size: float, takes: list[float]) -> float:
    """What is left of a pool if all gains in it are the same time."""
    return size - max(takes)


def _in_turn(size: float, takes: list[float]) -> float:
    """What is left of a pool if each gain shortens what the others leave."""
    left = size
    for take in takes:
        left *= 1 - take / size
    return left


def _weights(finding: Finding, pools: Pools) -> Pools:
    """Weights of the pools that *finding* takes from; those of the whole step where none of its own is there."""
    own = {name: weight for name, weight in finding.takes.items() if name in pools and weight > 0}
    if own:
        return own
    return {name: pools[name] for name in _OF_CAUSE.get(finding.cause, ()) if name in pools} or pools


def spread(gain: float, weights: Mapping[str, float], pools: Pools) -> Pools:
    """*gain* over the pools by their weights; what a pool cannot hold goes to all the others."""
    takes = dict.fromkeys(pools, 0.0)
    gain = min(gain, sum(pools.values()))
    for wanted in (weights, pools):
        gain = _pour(gain, wanted, pools, takes)
    return takes


def _pour(gain: float, weights: Mapping[str, float], pools: Pools, takes: Pools) -> float:
    """Pour *gain* into *takes* by *weights* until it is gone or those pools are full; returns what is left."""
    while gain > 1e-12:
        open_pools = {name: weights[name] for name in weights if pools[name] - takes[name] > 1e-12}
        total = sum(open_pools.values())
        if total <= 0:
            break
        poured = {name: min(gain * w / total, pools[name] - takes[name]) for name, w in open_pools.items()}
        for name, share in poured.items():
            takes[name] += share
        gain -= sum(poured.values())
    return max(0.0, gain)
