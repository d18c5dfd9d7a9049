"""What the device's matrix kernels compute in, and how long the host takes to launch a step's work."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

MATRIX_KINDS = ("matmul", "convolution", "attention")

# Names of kernels as cuBLAS, cuDNN, CUTLASS and FlashAttention give them: seen in traces of an H100, those
# of earlier GPUs (hmma, 884) as they are named elsewhere and not tried here. All nvjet kernels are taken
# for 16-bit ones.
_SIXTEEN = re.compile(
    r"bf16|f16f16|_f16_|16816|hmma|[hs](884|1688)(?=gemm_(b?f16|fp16)|_fp16)|BFloat16|half|nvjet|flash", re.IGNORECASE
)
_TF32 = re.compile(r"tf32|s1688", re.IGNORECASE)
_FP32 = re.compile(r"simt|sgemm|ffma|scudnn|engine<float|_f32_|gemv.*float", re.IGNORECASE)

# Launching blocks when the device's queue is full: only so much of the runtime's time, in proportion to
# that of the operators, is launching itself (0.11–0.53 on H100 traces whose device was not the limit).
RUNTIME_OF_OPERATORS = 0.3


def formats(kernels: Iterable[dict[str, Any]]) -> dict[str, float]:
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


def kernel_format(name: str) -> str:
    """``16-bit``, ``tf32``, ``fp32`` or ``unknown``."""
    for found, pattern in (("16-bit", _SIXTEEN), ("tf32", _TF32), ("fp32", _FP32)):
        if pattern.search(name):
            return found
    return "unknown"


def host_seconds(operators: Iterable[dict[str, Any]]) -> float:
    """Seconds per step that the host needs to launch the step's work, waiting for the device not counted."""
    by_kind: dict[str, float] = {}
    for row in operators:
        seconds = row.get("host_seconds_per_step") or row["seconds_per_step"]
        by_kind[row["kind"]] = by_kind.get(row["kind"], 0.0) + seconds
    runtime = by_kind.pop("runtime", 0.0)
    return sum(by_kind.values()) + min(runtime, RUNTIME_OF_OPERATORS * by_kind.get("operator", 0.0))
