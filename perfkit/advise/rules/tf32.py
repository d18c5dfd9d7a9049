"""Single-precision matrix products run without the GPU's tensor cores.

On an NVIDIA GPU of compute capability 8.0 or later TF32 computes them on the tensor cores with ten bits of mantissa;
inputs and results stay float32. PyTorch leaves it off for matrix products unless told.

Speaks when kernels that compute in plain float32 take at least 20 % of the step and the device is busy for 60 % of it:
where the host sets the pace, shorter kernels only wait longer.

How the gain is told. The step is replayed with these kernels 2.5 to 5 times faster (measured on an H100: 3.5 times on
ResNet-50's, 3.9 on GPT-2's; on GPUs for workstations and games 1.1 to 2, unmeasured), never faster than the device's
TF32 peak allows, and never shorter than what the host needs to launch it. Measured beside it: ResNet-50 from 80.8 to
39.3 ms, GPT-2 from 181 to 89 ms.

It is silent when the cure is applied: kernels that compute in TF32 or 16 bit show it, whatever the settings say.
Attention in float32 is left out, TF32 does not change its memory-efficient kernels. Where 16-bit compute would give
clearly more, the precision rule says so beside it: choose one.
"""

from __future__ import annotations

import re
from typing import Any

from ...model.records import Device, Finding, Fix
from ..kernels import flops_seconds, formats
from ..replay import Replay
from ..traced_step import of_step
from ..what_if import ms, percent

# Below this share of the step the kernels in question are not worth a change of precision.
MIN_MATRIX_SHARE = 0.20
MIN_SAVES = 0.05
# A device less busy than this gains nothing by shorter kernels: the host sets the pace.
MIN_BUSY = 0.60
CAPABILITY = 8.0
# GPUs whose tensor cores do TF32 at several times the rate of float32; on others it is up to twice, often nothing.
DATA_CENTRE = re.compile(r"\b(A100|A800|H100|H200|H800|GH200|B100|B200|GB200)\b")
FACTORS = {True: (5.0, 2.5), False: (2.0, 1.1)}
POOLS = ("matmul fp32", "convolution fp32")
#: Cures of the same trouble: this rule's and the precision rule's.
ALTERNATIVES = "number format"
LINK = "https://pytorch.org/docs/stable/notes/cuda.html#tensorfloat-32-tf32-on-ampere-and-later-devices"

#: Its cures are PyTorch's.
FRAMEWORKS = ("torch",)
Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    busy_share: float,
    torch: Row | None = None,
    breakdown: list[Row] | None = None,
    hotspots: list[Row] | None = None,
    device_spec: Row | None = None,
) -> Finding | None:
    """Judge single-precision matrix products."""
    if gpu.kind != "cuda" or busy_share < MIN_BUSY or not kernels or capability(gpu, torch or {}) < CAPABILITY:
        return None
    shares = {name: share * busy_share for name, share in formats(kernels).items()}
    plain = shares.get("fp32", 0.0)
    if plain < MIN_MATRIX_SHARE or shares.get("16-bit", 0.0) > plain + shares.get("tf32", 0.0):
        return None
    replay = of_step(step_s, kernels, host_operators, device_breakdown, breakdown)
    gain = faster(replay, gpu, least_s=flops_seconds(hotspots, device_spec, "tf32")).saves()
    if gain.low < MIN_SAVES:
        return None
    setting = (torch or {}).get("matmul_precision")
    return Finding(
        rule="tf32",
        cause="precision",
        title="Let matrix products use TF32",
        evidence={
            "float32 matrix kernels": f"{percent(plain)} of the {ms(step_s)} step",
            **({"float32_matmul_precision": setting} if setting else {}),
            "device": gpu.name,
        },
        saves=gain,
        confidence="high" if DATA_CENTRE.search(gpu.name) else "low",
        fix=Fix(name="tf32"),
        how='torch.set_float32_matmul_precision("high")\ntorch.backends.cudnn.allow_tf32 = True',
        links=[LINK],
        takes={"matrix": 1.0},
        alternatives=ALTERNATIVES,
    )


def faster(replay: Replay, gpu: Device, *, least_s: float = 0.0) -> Replay:
    """The step with its single-precision products in TF32."""
    return replay.faster(POOLS, FACTORS[bool(DATA_CENTRE.search(gpu.name))], least_s=least_s)


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
    return CAPABILITY if DATA_CENTRE.search(gpu.name) else 0.0
