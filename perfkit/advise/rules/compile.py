"""The GPU spends its time in many small steps over memory that one kernel could do.

Additions, activations, casts and the like each read and write their operands in full. ``torch.compile`` fuses them
with one another and with the normalisations and reductions beside them.

Speaks when elementwise kernels take at least 20 % of the step, the device is busy for 75 % of it, the model is on a
GPU and not compiled, and the gain is 10 % at least.

How the gain is told. The step is replayed with elementwise kernels 3.5 to 8 times faster, reductions 1.2 to 2.5 times,
normalisation 1 to 1.8 times, and launching cut to between 40 and 62 % (measured: 45 % at most). Those are set around one case (GPT-2 in
bfloat16 on an H100: elementwise 29.1 to 4.2 ms, reductions 5.6 to 2.8, normalisation 2.6 to 1.6, the whole step 70.0
to 31.6), so confidence is medium where transformer-like work is seen and low for convolution networks, of which none
has been measured. Products with odd dimensions in 16 bit are padded by it as well (see the alignment rule), which counts
at the high end.

TensorFlow's cure is XLA (``jit_compile=True``); what that gives was not measured on a GPU, so confidence is low there.

It is silent when the trace shows compiled kernels, when the device waits for its launches (there compiling alone made
things worse: an MLP of tiny kernels took 13.0 ms instead of 10.0), and on CPUs.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Device, Finding, Fix
from ..kernels import is_compiled, misaligned
from ..replay import Replay
from ..traced_step import of_step
from ..what_if import ms, percent
from .alignment import PADDED

MIN_ELEMENTWISE = 0.20
MIN_BUSY = 0.75
MIN_SAVES = 0.10
# By pool, how much faster the fused work is at best and at worst; see the manual for the case they rest on.
FASTER = {"elementwise": (8.0, 3.5), "reduction": (2.5, 1.2), "normalisation": (1.8, 1.0)}
LAUNCHES = (0.4, 0.62)
# Of the products with odd dimensions compiling padded two of three.
PADDED_BY_COMPILING = 2 / 3
# With a larger part of the busy time in convolutions than this it is a convolution network.
CONVOLUTION_NETWORK = 0.10
LINK = "https://pytorch.org/docs/stable/generated/torch.compile.html"
LINK_XLA = "https://www.tensorflow.org/xla/tutorials/jit_compile"
#: (JAX fuses whatever it compiles.)
FRAMEWORKS = ("torch", "tensorflow")

Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    busy_share: float,
    breakdown: list[Row] | None = None,
    model: Row | None = None,
    framework: str | None = None,
    compiled_model: Row | None = None,
) -> Finding | None:
    """Judge whether small kernels are worth fusing."""
    is_compiled_already = (model or {}).get("compiled") or (compiled_model or {}).get("jit_compile")
    if gpu.kind not in ("cuda", "rocm") or busy_share < MIN_BUSY or is_compiled_already:
        return None
    by_xla = framework == "tensorflow"
    elementwise = busy_share * sum(row["share"] for row in kernels if row["kind"] == "elementwise")
    if elementwise < MIN_ELEMENTWISE or is_compiled(kernels, host_operators):
        return None
    replay = of_step(step_s, kernels, host_operators, device_breakdown, breakdown)
    gain = _fused(replay, _padding_s(kernels, replay)).saves()
    if gain.low < MIN_SAVES:
        return None
    convolutions = sum(row["share"] for row in kernels if row["kind"] == "convolution")
    return Finding(
        rule="compile",
        cause="compile",
        title="Compile the model, so that small kernels are fused",
        evidence={
            "elementwise kernels": f"{percent(elementwise)} of the {ms(step_s)} step",
            "calls per step": round(sum(r["calls_per_step"] for r in kernels if r["kind"] == "elementwise")),
            "device busy": percent(busy_share),
        },
        saves=gain,
        confidence="low" if by_xla or convolutions > CONVOLUTION_NETWORK else "medium",
        fix=Fix(name="jit-compile" if by_xla else "compile") if compiled_model or not by_xla else None,
        how=_how(compiled_model) if by_xla else "model = torch.compile(model)",
        links=[LINK_XLA if by_xla else LINK],
        takes={"device": 1.0},
    )


def _how(compiled_model: Row | None) -> str:
    return "model.compile(..., jit_compile=True)" if compiled_model else "@tf.function(jit_compile=True)"


def _padding_s(kernels: list[Row], replay: Replay) -> float:
    """Seconds that padding of odd products saves at best."""
    odd = sum(row["share"] for row in misaligned(kernels)) * replay.best.busy
    return float(odd * PADDED_BY_COMPILING * (1 - 1 / PADDED[0]))


def _fused(replay: Replay, padding_s: float) -> Replay:
    for pool, factors in FASTER.items():
        replay = replay.faster([pool], factors)
    return replay.shorter((padding_s, 0.0)).launches(LAUNCHES)
