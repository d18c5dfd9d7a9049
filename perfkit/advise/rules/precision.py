"""Matrix products are computed in more than 16 bits where 16 would do.

Two cures, and only where the arithmetic is what the step waits for:

- *16-bit autocast* on an NVIDIA GPU of compute capability 8.0 or later: matrix products in bfloat16, activations half
  the size. Where TF32 is still off (see the tf32 rule) it is told only if it would save another 5 % on top of that.
- *bfloat16 autocast on a CPU* with AMX or AVX512-BF16, where matrix products and convolutions of a
  worthwhile size take most of the step.

It must not speak where it would make things worse. Autocast adds a cast for every operand: a step that
waits for its launches, not for the arithmetic, gets longer. Measured on an H100, BERT at batch 1 took 9.1
ms in float32 and 14.1 under autocast; ResNet-50 went from 80.8 to 39.3 ms by TF32 and to 42.0 by bfloat16,
launches having become the limit. So the device must be busy for 90 % of the step, and the step must stay at least 5 %
shorter when launching takes its own time, casts included.
On a CPU, tiny operators are slower under autocast (measured here: 0.18 ms against 0.39 ms a step), so the
operators that count must take 0.1 ms or more each, and training through the CPU's fused attention is left alone:
its backward is seven times slower in bfloat16 (measured: a small GPT's step became 12-18 % longer). Convolutions of
one channel in or out, depthwise ones among them, do not count: they gain nothing or lose.

Of Keras on TensorFlow or JAX the cure is the policy ``mixed_bfloat16``. It was not measured on a GPU: confidence is low there.

How the gain is told. The step is replayed with matrix kernels faster by factors set wide around what two models on an
H100 showed, all other kernels between 20 % shorter (half the bytes) and 20 % longer (casts), and never shorter than
what the host needs to launch it, as its trace tells.

It is silent when the cure is already applied: kernels (on a CPU, operators) that compute in 16 bit
show it, whatever the settings say, autocast included; and so do parameters in 16 bit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...analyze.formats import MATRIX_KINDS
from ...model.records import Device, Finding, Fix
from ..host_work import shapes
from ..kernels import flops_seconds, formats
from ..replay import Ends, Replay
from ..traced_step import of_step
from ..what_if import ms, percent, saved
from .tf32 import ALTERNATIVES, CAPABILITY, DATA_CENTRE, FACTORS, capability
from .tf32 import POOLS as FP32_POOLS

# Below this share of the step the kernels in question are not worth a change of precision.
MIN_MATRIX_SHARE = 0.20
MIN_SAVES = 0.05
# A device less busy than this waits for its host; 16-bit casts would make it wait longer.
MIN_BUSY_SHARE = 0.90
# Kernels become faster by: from float32, from TF32, attention in float32; and all the rest (half the bytes, but casts
# as well).
FROM_FP32, FROM_TF32, ATTENTION, REST = (10.0, 4.0), (2.0, 1.3), (8.0, 3.0), (1.25, 0.83)
TF32_POOLS = ("matmul tf32", "convolution tf32")
ATTENTION_POOLS = ("attention fp32", "attention tf32")
# Launching under autocast, against launching without. From one case on an H100 (ResNet-50: 42.0 ms a step, 40.0 ms
# of traced launching).
LAUNCH_WITH_CASTS = 1.05
# CPU: operators shorter than this gain nothing or lose; and what matrix products gained (AMX, measured:
# 1.6–2.1 times on whole steps of an MLP, a convolution network and a transformer layer; AVX512-BF16 alone, on an AMD EPYC: whole
# steps of two MLPs, a convolution network and two encoders became 30 to 42 % shorter).
COARSE_CALL_S = 100e-6
MIN_CPU_SHARE = 0.5
CPU_FACTORS = (1.5, 4.0)
CPU_SETS = ("amx_bf16", "avx512_bf16")
# Its bfloat16 version took 46 ms where float32 takes 6 (a small GPT in training, torch 2.13, AMX): autocast made the
# whole step 12-18 % longer although its matrix products became faster.
SLOW_IN_SIXTEEN = "_scaled_dot_product_flash_attention_for_cpu_backward"
CPU_MATRIX = ("matmul", "convolution", "attention")
# Convolutions with fewer channels than this in or out gain nothing, and depthwise ones lose: a network of these became 35 %
# slower, a small GAN's two halves 7 and 11 % faster, where networks of 3 to 128 channels became 48 to 68 % faster (measured, AMX).
MIN_CHANNELS = 2
NOT_CAST = ("bfloat16", '["double"')
AMP_LINK = "https://pytorch.org/docs/stable/amp.html"
POLICY_LINK = "https://keras.io/api/mixed_precision/policy/"

Row = dict[str, Any]


def check(
    step_s: float,
    host_operators: list[Row],
    torch: Row | None = None,
    kernels: list[Row] | None = None,
    device_breakdown: list[Row] | None = None,
    gpu: Device | None = None,
    busy_share: float | None = None,
    model: Row | None = None,
    instruction_sets: list[str] | None = None,
    breakdown: list[Row] | None = None,
    hotspots: list[Row] | None = None,
    device_spec: Row | None = None,
    framework: str | None = None,
    keras: Row | None = None,
) -> Finding | None:
    """Judge the number formats of matrix products."""
    if not step_s or _is_low_precision(model):
        return None
    if not kernels:
        return _on_cpu(host_operators, step_s, instruction_sets or [])
    if gpu is None or gpu.kind != "cuda" or not busy_share or capability(gpu, torch or {}) < CAPABILITY:
        return None
    replay = of_step(step_s, kernels, host_operators, device_breakdown or [], breakdown)
    least_s = flops_seconds(hotspots, device_spec, "bf16")
    found = _on_gpu(gpu, kernels, replay, step_s, busy_share, least_s)
    if found is None or framework in (None, "torch"):
        return found
    return _by_policy(found) if keras is not None else None


def _is_low_precision(model: Row | None) -> bool:
    dtypes = (model or {}).get("dtypes") or {}
    half = sum(count for name, count in dtypes.items() if name in ("float16", "bfloat16"))
    return bool(half * 2 > sum(dtypes.values()))


def _on_gpu(
    gpu: Device, kernels: list[Row], replay: Replay, step: float, busy_share: float, least_s: float
) -> Finding | None:
    shares = {name: share * busy_share for name, share in formats(kernels).items()}
    matrix = sum(shares.get(name, 0.0) for name in ("fp32", "tf32", "fp32 attention"))
    is_applied = shares.get("16-bit", 0.0) > shares.get("fp32", 0.0) + shares.get("tf32", 0.0)
    if is_applied or matrix < MIN_MATRIX_SHARE or busy_share < MIN_BUSY_SHARE or not replay.before_s:
        return None
    gain = _sixteen(replay, FROM_FP32, least_s).saves()
    if gain.low < MIN_SAVES or (shares.get("fp32", 0.0) >= MIN_MATRIX_SHARE and not _beats_tf32(replay, gpu)):
        return None
    return Finding(
        rule="precision",
        cause="precision",
        title="Compute in bfloat16 under autocast",
        evidence={
            "matrix kernels": f"{percent(matrix)} of the {ms(step)} step",
            "device busy": percent(busy_share),
            "launching takes": f"{ms(replay.best.launch)} to {ms(replay.worst.launch)}",
            "device": gpu.name,
        },
        saves=gain,
        confidence="medium",
        fix=Fix(name="autocast", parameters={"device": "cuda", "dtype": "bfloat16"}),
        how='with torch.autocast("cuda", dtype=torch.bfloat16):\n    loss = criterion(model(x), y)',
        links=[AMP_LINK],
        takes={"matrix": 1.0},
        alternatives=ALTERNATIVES,
    )


def _by_policy(found: Finding) -> Finding:
    """The same of Keras on TensorFlow or JAX: layers compute in 16 bit under a policy, and their variables stay as they are."""
    return replace(
        found,
        title="Compute in bfloat16 under a policy of Keras",
        confidence="low",
        fix=Fix(name="mixed-precision", parameters={"dtype": "bfloat16"}),
        how='keras.config.set_dtype_policy("mixed_bfloat16")   # before the model is made',
        links=[POLICY_LINK],
    )


def _sixteen(replay: Replay, from_fp32: Ends, least_s: float) -> Replay:
    """The step in 16 bit."""
    rest = [name for name in replay.best.device if name.partition(" ")[0] not in (*MATRIX_KINDS, "optimizer")]
    shorter = replay.faster(FP32_POOLS, from_fp32, least_s=least_s).faster(TF32_POOLS, FROM_TF32)
    return (
        shorter.faster(ATTENTION_POOLS, ATTENTION).faster(rest, REST).launches((LAUNCH_WITH_CASTS, LAUNCH_WITH_CASTS))
    )


def _beats_tf32(replay: Replay, gpu: Device) -> bool:
    """Whether 16 bit saves enough beyond what TF32 is expected to give, the easier change of the two."""
    expected = sum(FACTORS[bool(DATA_CENTRE.search(gpu.name))]) / 2
    tf32 = replay.faster(FP32_POOLS, (expected, expected))
    return _cautious(_sixteen(tf32, FROM_TF32, 0.0)) < (1 - MIN_SAVES) * _cautious(tf32)


def _cautious(replay: Replay) -> float:
    """The step with the device's work at worst and launching in the middle of what is known of it."""
    launch = (replay.best.launch + replay.worst.launch) / 2
    return max(launch, replay.worst.busy + replay.worst.gaps)


def _on_cpu(operators: list[Row], step: float, instruction_sets: list[str]) -> Finding | None:
    sets = [name for name in CPU_SETS if name in instruction_sets]
    coarse = [row for row in operators if row.get("work") in CPU_MATRIX and _is_coarse(row)]
    # Autocast leaves float64 as it is.
    floats = [row for row in coarse if not any(name in str(row.get("dtypes") or "").lower() for name in NOT_CAST)]
    matrix = sum(row["seconds_per_step"] for row in floats if not _is_thin(row)) / step
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


def _is_thin(row: Row) -> bool:
    """Whether it is a convolution of one channel, or depthwise: by its weight, the last input with a picture's rank."""
    if row.get("work") != "convolution":
        return False
    given = shapes(row)
    weights = [shape for shape in given if given[0] and len(shape) == len(given[0])]
    return bool(weights) and min(weights[-1][:2]) < MIN_CHANNELS


def _is_coarse(row: Row) -> bool:
    calls = row.get("calls_per_step") or 0
    return bool(calls and row["seconds_per_step"] / calls >= COARSE_CALL_S)
