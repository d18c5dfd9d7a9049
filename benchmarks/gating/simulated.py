"""Rounds as a noisy machine would give them: what the replay is tested with, and what the gate's rule can be expected to do.

In-job drift is an Ornstein–Uhlenbeck process, processes differ, calls are late but never early, and some processes are hit as a whole.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from .samples import SAMPLE_S, Recorded

CALL_S, BLOCK_S, BLOCKS, CALLS, TAU_S = 0.003, 0.06, 12, 100, 60.0


@dataclass(frozen=True, kw_only=True)
class Noise:
    drift: float
    process: float
    call: float
    hit: float
    hit_by: float


NOISE = {
    "quiet": Noise(drift=0.005, process=0.003, call=0.01, hit=0.01, hit_by=0.05),
    "shared": Noise(drift=0.02, process=0.01, call=0.03, hit=0.05, hit_by=0.15),
    "hostile": Noise(drift=0.03, process=0.01, call=0.03, hit=0.25, hit_by=0.30),
}


def in_turns(noise, cases, rounds, *, seed=0):
    """So many *rounds* of processes that took turns block by block."""
    rng = np.random.default_rng(seed)
    late = lateness(rng, (rounds, len(cases), BLOCKS, 2, round(BLOCK_S / CALL_S)), noise).mean(axis=-1)
    # In this order blocks follow one another in time.
    excess = drift(rng, late.shape, BLOCK_S, noise) + late
    return recorded(noise, cases, excess.transpose(0, 3, 1, 2), rng, SAMPLE_S["turns"])


def one_by_one(noise, cases, rounds, *, seed=0):
    """So many *rounds* of a process of base, and then one of head."""
    rng = np.random.default_rng(seed)
    shape = (rounds, 2, len(cases), CALLS)
    # Warming up takes as long again as the calls.
    return recorded(
        noise, cases, drift(rng, shape, 2 * CALL_S, noise) + lateness(rng, shape, noise), rng, SAMPLE_S["alone"]
    )


def recorded(noise, cases, excess, rng, sample_s):
    """*excess*: by which share a call takes longer, of each round, side, case and sample."""
    shape = (*excess.shape[:3], 1)
    process = rng.normal(size=shape) * noise.process
    hit = (rng.random(shape) < noise.hit) * rng.exponential(noise.hit_by, size=shape)
    work = np.array([[1.0] * len(cases), [1 + effect for effect in cases]])[None, :, :, None]
    told = {"at": "never", "order": "", "load_average": 0.0, "seconds": 0.0, "cpu": "simulated"}
    return Recorded(
        cases=tuple(cases), seconds=CALL_S * work * np.exp(process) * (1 + excess + hit),
        settled=np.ones(shape[:3], dtype=bool), sample_s=sample_s, told=[told] * shape[0],
    )  # fmt: skip


def lateness(rng, shape, noise):
    return np.abs(rng.normal(size=shape)) * noise.call


def drift(rng, shape, step_s, noise):
    return ornstein_uhlenbeck(rng, int(np.prod(shape)), step_s).reshape(shape) * noise.drift


def ornstein_uhlenbeck(rng, count, step_s):
    """Values of standard deviation 1 that forget where they were within `TAU_S`."""
    kept = np.exp(-step_s / TAU_S)
    pushes = rng.normal(size=count) * np.sqrt(1 - kept**2)
    pushes[0] = rng.normal()
    return lfilter([1.0], [1.0, -kept], pushes)
