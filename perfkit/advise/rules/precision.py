"""Matrix products are computed in more precision than they need.

Three cures, and only where the arithmetic is what the step waits for:

- *TF32 off* on an NVIDIA GPU that has it (compute capability 8.0 or later): single-precision matrix
  products and convolutions run on the tensor cores with ten bits of mantissa, inputs and results staying
  float32. Speaks when kernels that compute in plain float32 take at least 20 % of the step.
- *16-bit autocast* on such a GPU, where TF32 is already on or changes little: matrix products in bfloat16,
  activations half the size.
- *bfloat16 autocast on a CPU* with AMX or AVX512-BF16, where matrix products and convolutions of a
  worthwhile size take most of the step.

It must not speak where it would make things worse. Autocast adds a cast for every operand: a step that
waits for its launches, not for the arithmetic, gets longer. Measured on an H100, BERT at batch 1 took 9.1
ms in float32 and 14.1 under autocast; ResNet-50 went from 80.8 to 39.3 ms by TF32 and to 42.0 by bfloat16,
launches having become the limit. So TF32 needs a device that is busy 60 % of the step and 16 bit one that
is busy 90 %, and the step must stay at least 5 % shorter when launching takes its own time, casts included.
On a CPU, tiny operators are slower under autocast (measured here: 0.18 ms against 0.39 ms a step), so the
operators that count must take 0.1 ms or more each, and training through the CPU's fused attention is left alone:
its backward is seven times slower in bfloat16 (measured: a small GPT's step became 12-18 % longer).

How the gain is told. Only the time in matrix kernels shrinks, by factors set wide around what two models on
an H100 showed (TF32: 3.5 and 3.9 times on their matrix kernels, 2.5 to 5 claimed; less, and unmeasured, on
other GPUs), and the step never becomes shorter than what the host needs to launch it, as its trace tells.

It is silent when the cure is already applied: kernels (on a CPU, operators) that compute in TF32 or 16 bit
show it, whatever the settings say, autocast included; and so do parameters in 16 bit.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Device, Finding, Fix
from ..kernels import formats, host_seconds
from ..what_if import ms, percent, saved

# Below this share of the step the kernels in question are not worth a change of precision.
MIN_MATRIX_SHARE = 0.20
MIN_SAVES = 0.05
# A device less busy than this waits for its host; 16-bit casts would make it wait longer.
MIN_BUSY_SHARE = 0.90
# One less busy than this gains nothing by shorter kernels either: the host sets the pace.
MIN_BUSY_FOR_TF32 = 0.60
TF32_CAPABILITY = 8.0
# GPUs whose tensor cores do TF32 at several times the rate of float32; on others it is up to twice, often
# nothing.
DATA_CENTRE = re.compile(r"\b(A100|A800|H100|H200|H800|GH200|B100|B200|GB200)\b")
TF32_FACTORS = {True: (2.5, 5.0), False: (1.1, 2.0)}
# Time in matrix kernels: from float32, from TF32; attention; and all the rest (half the bytes, but casts as
# well).
SIXTEEN_FROM_FP32, SIXTEEN_FROM_TF32, SIXTEEN_ATTENTION = (4.0, 10.0), (1.3, 2.0), (3.0, 8.0)
SIXTEEN_REST = (1.2, 0.8)
# Launching under autocast, against launching without as its trace shows it (the profiler's cost still in it).
# The first from one case on an H100 (ResNet-50: 42.0 ms a step, 40.0 ms of traced launching); the second is
# an assumption: GPT-2, whose device was still the limit, only says that it is at most 0.92.
LAUNCH_WITH_CASTS = (1.05, 0.80)
# The same without casts.
LAUNCH_AS_TRACED = (1.0, 0.75)
# CPU: operators shorter than this gain nothing or lose; and what matrix products gained (AMX, measured:
# 1.6–2.1 times on whole steps of an MLP, a convolution network and a transformer layer).
COARSE_CALL_S = 100e-6
MIN_CPU_SHARE = 0.5
CPU_FACTORS = (1.5, 4.0)
CPU_SETS = ("amx_bf16", "avx512_bf16")
# Its bfloat16 version took 46 ms where float32 takes 6 (a small GPT in training, torch 2.13, AMX): autocast made the
# whole step 12-18 % longer although its matrix products became faster.
SLOW_IN_SIXTEEN = "_scaled_dot_product_flash_attention_for_cpu_backward"
CPU_MATRIX = ("matmul", "convolution", "attention")
TF32_LINK = "https://pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices"
AMP_LINK = "https://pytorch.org/docs/stable/amp.html"

Row = dict[str, Any]


def check(
    step_s: float,
    host_operators: list[Row],
    torch: Row | None = None,
    kernels: list[Row] | None = None,
    gpu: Device | None = None,
    busy_share: float | None = None,
    model: Row | None = None,
    instruction_sets: list[str] | None = None,
) -> Finding | None:
    """Judge the number formats of matrix products."""
    step, torch = step_s, torch or {}
    if not step or _is_low_precision(model):
        return None
    if kernels:
        if gpu is None or busy_share is None or gpu.kind != "cuda":
            return None
        shares = {name: share * busy_share for name, share in formats(kernels).items()}
        if shares.get("16-bit", 0.0) > shares.get("fp32", 0.0) + shares.get("tf32", 0.0):
            return None
        launch = host_seconds(host_operators)
        if busy_share < MIN_BUSY_FOR_TF32:
            return None
        return _tf32(torch, gpu, shares, step, launch) or _sixteen(torch, gpu, shares, step, busy_share, launch)
    return _on_cpu(host_operators, step, instruction_sets or [])


def _is_low_precision(model: Row | None) -> bool:
    dtypes = (model or {}).get("dtypes") or {}
    half = sum(count for name, count in dtypes.items() if name in ("float16", "bfloat16"))
    return bool(half * 2 > sum(dtypes.values()))


def _tf32(torch: Row, gpu: Device, shares: dict[str, float], step: float, launch: float) -> Finding | None:
    plain = shares.get("fp32", 0.0)
    if plain < MIN_MATRIX_SHARE or capability(gpu, torch) < TF32_CAPABILITY:
        return None
    setting = torch.get("matmul_precision")
    factors = TF32_FACTORS[bool(DATA_CENTRE.search(gpu.name))]
    floors = [launch * part for part in LAUNCH_AS_TRACED]
    after = [max(step * (1 - plain * (1 - 1 / factor)), floor) for factor, floor in zip(factors, floors, strict=True)]
    gain = saved(step, after)
    if gain.low < MIN_SAVES:
        return None
    return Finding(
        rule="precision",
        cause="precision",
        title="Let matrix products use TF32",
        evidence={
            "float32 matrix kernels": f"{percent(plain)} of the {ms(step)} step",
            **({"float32_matmul_precision": setting} if setting else {}),
            "device": gpu.name,
        },
        saves=gain,
        confidence="high" if DATA_CENTRE.search(gpu.name) else "low",
        fix=Fix(name="tf32"),
        how='torch.set_float32_matmul_precision("high")\ntorch.backends.cudnn.allow_tf32 = True',
        links=[TF32_LINK],
    )


def _sixteen(
    torch: Row, gpu: Device, shares: dict[str, float], step: float, busy_share: float, launch: float
) -> Finding | None:
    matrix = sum(shares.get(name, 0.0) for name in ("fp32", "tf32", "fp32 attention"))
    is_capable = capability(gpu, torch) >= TF32_CAPABILITY
    if matrix < MIN_MATRIX_SHARE or busy_share < MIN_BUSY_SHARE or not is_capable:
        return None
    rest = busy_share - matrix
    after = []
    for end in (0, 1):
        busy = shares.get("fp32", 0.0) / SIXTEEN_FROM_FP32[end] + shares.get("tf32", 0.0) / SIXTEEN_FROM_TF32[end]
        busy += shares.get("fp32 attention", 0.0) / SIXTEEN_ATTENTION[end] + rest * SIXTEEN_REST[end]
        after.append(max((1 - busy_share + busy) * step, launch * LAUNCH_WITH_CASTS[end]))
    gain = saved(step, after)
    if gain.low < MIN_SAVES:
        return None
    return Finding(
        rule="precision",
        cause="precision",
        title="Compute in bfloat16 under autocast",
        evidence={
            "matrix kernels": f"{percent(matrix)} of the {ms(step)} step",
            "device busy": percent(busy_share),
            "launching takes": ms(launch),
            "device": gpu.name,
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="autocast", parameters={"device": "cuda", "dtype": "bfloat16"}),
        how='with torch.autocast("cuda", dtype=torch.bfloat16):\n    loss = criterion(model(x), y)',
        links=[AMP_LINK],
    )


def capability(gpu: Device, torch: Row) -> float:
    """Compute capability of *gpu*, such as 9.0; 0 where it is not known."""
    listed: list[Row] = torch.get("devices") or []
    seen: Row = listed[gpu.index] if gpu.index < len(listed) else {}
    for value in (seen.get("capability"), gpu.details.get("compute_capability"), gpu.details.get("capability")):
        if isinstance(value, list | tuple) and len(value) == 2:
            return float(f"{value[0]}.{value[1]}")
        if isinstance(value, str | int | float):
            try:
                return float(value)
            except ValueError:
                continue
    return TF32_CAPABILITY if DATA_CENTRE.search(gpu.name) else 0.0


def _on_cpu(operators: list[Row], step: float, instruction_sets: list[str]) -> Finding | None:
    sets = [name for name in CPU_SETS if name in instruction_sets]
    coarse = [row for row in operators if row.get("work") in CPU_MATRIX and _is_coarse(row)]
    floats = [row for row in coarse if "bfloat16" not in str(row.get("dtypes") or "").lower()]
    matrix = sum(row["seconds_per_step"] for row in floats) / step
    if any(SLOW_IN_SIXTEEN in str(row["name"]) for row in operators):
        return None
    if not sets or matrix < MIN_CPU_SHARE or len(floats) < len(coarse):
        return None
    after = [step * (1 - matrix * (1 - 1 / factor)) for factor in CPU_FACTORS]
    return Finding(
        rule="precision",
        cause="precision",
        title="Compute in bfloat16 under autocast",
        evidence={
            "float32 matrix operators": f"{percent(matrix)} of the {ms(step)} step",
            "processor has": ", ".join(sets),
        },
        saves=saved(step, after),
        confidence="medium" if "amx_bf16" in sets else "low",
        fix=Fix(name="autocast", parameters={"device": "cpu", "dtype": "bfloat16"}),
        how='with torch.autocast("cpu", dtype=torch.bfloat16):\n    loss = criterion(model(x), y)',
        links=[AMP_LINK],
    )


def _is_coarse(row: Row) -> bool:
    calls = row.get("calls_per_step") or 0
    return bool(calls and row["seconds_per_step"] / calls >= COARSE_CALL_S)
