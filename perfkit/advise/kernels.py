"""What the device's matrix kernels compute in, and how long the host takes to launch a step's work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from ..analyze.formats import MATRIX_KINDS, kernel_format

if TYPE_CHECKING:
    from collections.abc import Iterable

# Launching blocks when the device's queue is full: only so much of the runtime's time, in proportion to
# that of the operators, is launching itself (0.11–0.53 on H100 traces whose device was not the limit).
RUNTIME_OF_OPERATORS = 0.3
# Kernels of torch.compile, and the call that replays a CUDA graph.
_COMPILED, _GRAPH = re.compile(r"^triton_|CompiledFxGraph|Torch-Compiled Region"), re.compile(r"(cuda|hip)GraphLaunch")
# CUTLASS says in a kernel's name by how many elements its operands are aligned: one means that a row's length is odd.
_MISALIGNED = re.compile(r"align1(?![0-9])")

Row = dict[str, Any]


def pool_of(row: Row) -> str:
    """What a kernel's time is booked under: its class, a matrix kernel's with its format, as in ``matmul tf32``."""
    return f"{row['kind']} {kernel_format(row['name'])}" if row["kind"] in MATRIX_KINDS else str(row["kind"])


def formats(kernels: Iterable[Row]) -> dict[str, float]:
    """Share of the device's busy time in matrix kernels, by what they compute in: fp32, tf32, 16-bit,
    unknown.

    Attention in fp32 is told apart (``fp32 attention``): TF32 does not change its memory-efficient kernels.
    """
    shares: dict[str, float] = {}
    for row in kernels:
        if row["kind"] in MATRIX_KINDS:
            name = kernel_format(row["name"])
            name = "fp32 attention" if name == "fp32" and row["kind"] == "attention" else name
            shares[name] = shares.get(name, 0.0) + float(row["share"])
    return shares


def misaligned(kernels: Iterable[Row]) -> list[Row]:
    """Matrix kernels in 16 bit whose operands are aligned to one element only."""
    matrix = (row for row in kernels if row["kind"] in MATRIX_KINDS)
    return [row for row in matrix if kernel_format(row["name"]) == "16-bit" and _MISALIGNED.search(row["name"])]


def is_compiled(kernels: Iterable[Row], operators: Iterable[Row]) -> bool:
    """Whether the trace shows work of torch.compile."""
    return any(_COMPILED.search(str(row["name"])) for rows in (kernels, operators) for row in rows)


def has_graphs(operators: Iterable[Row]) -> bool:
    """Whether the trace shows CUDA graphs being replayed."""
    return any(_GRAPH.search(str(row["name"])) for row in operators)


def host_seconds(operators: Iterable[Row]) -> float:
    """Seconds per step that the host needs to launch the step's work, waiting for the device not counted."""
    by_kind: dict[str, float] = {}
    for row in operators:
        by_kind[row["kind"]] = by_kind.get(row["kind"], 0.0) + _host(row)
    runtime = by_kind.pop("runtime", 0.0)
    return sum(by_kind.values()) + min(runtime, RUNTIME_OF_OPERATORS * by_kind.get("operator", 0.0))


def optimizer_share(operators: Iterable[Row]) -> float:
    """Share of the launching that the optimizer's step takes."""
    rows = [row for row in operators if not _is_waiting(row)]
    whole = sum(_host(row) for row in rows)
    return sum(_host(row) for row in rows if row.get("module") == "optimizer") / whole if whole else 0.0


def _is_waiting(row: Row) -> bool:
    """Whether the row's time may be waiting, for the device or a batch, and not launching."""
    return row["kind"] == "runtime" or "DataLoader" in str(row["name"])


def _host(row: Row) -> float:
    return float(row.get("host_seconds_per_step") or row["seconds_per_step"])


def flops_seconds(hotspots: list[Row] | None, device_spec: Row | None, dtype: str) -> float:
    """Seconds that the matrix work of a step takes at the device's dense peak in *dtype*; 0 where that is not known."""
    peak = ((device_spec or {}).get("peak_flops") or {}).get(dtype)
    flops = sum(row.get("flops") or 0.0 for row in hotspots or [] if row.get("work") in ("matmul", "convolution"))
    return float(flops / peak) if peak else 0.0


def main_format(kernels: Iterable[Row]) -> str:
    """What most of the matrix time is computed in, as the catalogue of devices calls it; empty if that is not known."""
    shares = formats(kernels)
    best = max(shares, key=lambda name: shares[name], default="")
    return {"16-bit": "bf16", "tf32": "tf32", "fp32": "fp32"}.get(best, "")
