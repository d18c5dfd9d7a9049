"""Copies to the GPU stop the host: batches lie in ordinary (pageable) memory.

From pageable memory a copy is made in pieces through a buffer of the driver, at a fraction of the bus's rate, and the
host stands still meanwhile. From pinned memory it is asked for and runs by itself.

Speaks when uploads from pageable memory block the host for at least 5 % of the step and the DataLoader does not pin
yet.

How the gain is told. The step is replayed with the host blocked for 60 to 100 % of that time less, and with the copies at
the rate of pinned memory, 12 to 50 GB/s. Measured, without a trace of it, on an H100 beside a loader of 14 workers:
67.0 to 53.6 ms a step. With one case and no trace of it confidence is low.

It is silent when ``pin_memory=True`` is set, when the uploads are small, and off NVIDIA GPUs. While the step waits for
its loader the copy is the lesser evil: see the input rule first.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Device, Finding, Fix
from ..traced_step import of_step
from ..what_if import ms, percent

MIN_SHARE = 0.05
# Host to device from pinned memory: PCIe 3.0 x16 gives about 12 GB/s, PCIe 5.0 x16 about 50 (the PCI-SIG's 16 and 63
# GB/s less what protocols take). From pageable memory the H100 traces show 7.4.
PINNED_BYTES_PER_S = (50e9, 12e9)
# Of the time that the host was blocked, what goes.
UNBLOCKED = (1.0, 0.6)
LINK = "https://pytorch.org/tutorials/intermediate/pinmem_nonblock.html"

#: Its cures are PyTorch's.
FRAMEWORKS = ("torch",)
Row = dict[str, Any]


def check(
    gpu: Device,
    step_s: float,
    copies: list[Row],
    kernels: list[Row],
    host_operators: list[Row],
    device_breakdown: list[Row],
    loader: Row | None = None,
    breakdown: list[Row] | None = None,
) -> Finding | None:
    """Judge the copies to the device."""
    uploads = [row for row in copies if row["kind"] == "HtoD" and row["pageable"]]
    blocked = sum(row["host_blocked_seconds_per_step"] for row in uploads)
    if gpu.kind != "cuda" or blocked < MIN_SHARE * step_s or (loader or {}).get("pin_memory"):
        return None
    seconds = sum(row["seconds_per_step"] for row in uploads)
    size = sum(row["bytes_per_step"] or 0.0 for row in uploads)
    rate = size / seconds if seconds else 0.0
    replay = of_step(step_s, kernels, host_operators, device_breakdown, breakdown)
    faster = replay.faster(["copy"], (_factor(rate, PINNED_BYTES_PER_S[0]), _factor(rate, PINNED_BYTES_PER_S[1])))
    gain = faster.without_wait((blocked * UNBLOCKED[0], blocked * UNBLOCKED[1])).saves()
    if gain.high < MIN_SHARE:
        return None
    return Finding(
        rule="transfer",
        cause="transfer",
        title="Copy batches to the GPU from pinned memory",
        evidence={
            "host blocked by uploads": f"{ms(blocked)} of the {ms(step_s)} step ({percent(blocked / step_s)})",
            "uploaded per step": f"{size / 1e6:.3g} MB at {rate / 1e9:.2g} GB/s",
            "from": "pageable memory",
        },
        saves=gain,
        confidence="low",
        fix=Fix(name="pin-memory", parameters={"pin_memory": True, "non_blocking": True}) if loader else None,
        how=_how(loader),
        links=[LINK],
        takes={"copy": 0.5, "launch": 0.5},
    )


def _factor(rate: float, pinned: float) -> float:
    return max(1.0, pinned / rate) if rate else 1.0


def _how(loader: Row | None) -> str:
    first = "DataLoader(..., pin_memory=True)" if loader else "batch = batch.pin_memory()"
    return f"{first}\nbatch = batch.to(device, non_blocking=True)"
