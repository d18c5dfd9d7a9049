"""The record of a hot operator, and what modules of repeated blocks have in common."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Kind = Literal["operator", "annotation", "runtime", "python", "kernel"]


@dataclass(frozen=True, kw_only=True)
class Hotspot:
    """An operator within one module, or one of repeated blocks, over the traced steps. None is what the trace does not say."""

    name: str
    kind: Kind
    #: Class of work (matmul, convolution, …); None for what is no operator.
    work: str | None = None
    #: Dotted path of the module, ``blocks.*.mlp.0`` for the like of it in every block; ``optimizer`` inside an
    #: optimizer's step.
    module: str | None = None
    #: How many modules that is.
    modules: int | None = None
    #: ``file:line`` of the user's Python that leads to most of it.
    line: str | None = None
    calls_per_step: float
    #: Device time if *basis* is device, else host self time.
    seconds_per_step: float
    #: Of the step.
    share: float
    basis: Literal["host", "device"]
    host_seconds_per_step: float | None = None
    device_seconds_per_step: float | None = None
    #: Input shapes and types that take the most of it, as the trace writes them.
    shapes: str | None = None
    dtypes: str | None = None
    #: Floating-point operations and bytes moved, per step.
    flops: float | None = None
    bytes: float | None = None
    #: compute, memory or launch, where the roofline of the processor is known.
    bound: str | None = None
    #: Shortest possible time by that roofline over the time taken.
    efficiency: float | None = None


def family_name(path: str) -> str:
    """The path with every number that has something below it, as those of repeated blocks have, as ``*``."""
    *above, last = path.split(".")
    return ".".join([*("*" if part.isdigit() else part for part in above), last])


def families(paths: list[str]) -> Any:
    """For each path the number of its family; never empty, so that it can be indexed."""
    codes: dict[str, int] = {}
    numbers = [codes.setdefault(family_name(path), len(codes)) for path in paths]
    return np.array(numbers or [-1], np.int64)
