"""What the device's matrix kernels compute in, from their names."""

from __future__ import annotations

import re

MATRIX_KINDS = ("matmul", "convolution", "attention")

# Names of kernels as cuBLAS, cuDNN, CUTLASS and FlashAttention give them: seen in traces of an H100, those
# of earlier GPUs (hmma, 884) as they are named elsewhere and not tried here. All nvjet kernels are taken
# for 16-bit ones.
_SIXTEEN = re.compile(
    r"bf16|f16f16|_f16_|16816|hmma|[hs](884|1688)(?=gemm_(b?f16|fp16)|_fp16)|BFloat16|half|nvjet|flash", re.IGNORECASE
)
_TF32 = re.compile(r"tf32|s1688", re.IGNORECASE)
_FP32 = re.compile(r"simt|sgemm|ffma|scudnn|engine<float|_f32_|gemv.*float", re.IGNORECASE)


def kernel_format(name: str) -> str:
    """``16-bit``, ``tf32``, ``fp32`` or ``unknown``."""
    for found, pattern in (("16-bit", _SIXTEEN), ("tf32", _TF32), ("fp32", _FP32)):
        if pattern.search(name):
            return found
    return "unknown"


def uses_tensor_cores(name: str, kind: str) -> bool | None:
    """Whether a matrix kernel runs on the matrix units of the device; None for other kernels or where its name says
    nothing.
    """
    found = kernel_format(name) if kind in MATRIX_KINDS else "unknown"
    return None if found == "unknown" else found != "fp32"
