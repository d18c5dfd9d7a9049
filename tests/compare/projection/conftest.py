"""Workloads made of literal figures."""

import numpy as np
import pytest

from perfkit.analyze.classes import BUSY
from perfkit.compare.projection.workload import FORMATS, HostCalls, Pieces, Workload
from perfkit.hardware.catalog import match


@pytest.fixture
def h100():
    """As its driver names it."""
    return match("NVIDIA H100 80GB HBM3")


@pytest.fixture
def h200():
    """The same processor with faster memory."""
    return match("NVIDIA H200")


@pytest.fixture
def workload():
    """One step of kernels, each asked for by a call of its own: ``workload([("matmul", 1e-3)], host=[1e-4])``."""
    return made


@pytest.fixture
def pieces():
    """The device's work alone: ``pieces([("matmul", 1e-3)], flops=[1e9])``."""
    return columns_of


def made(kernels, host, *, tail=0.0, waits=(), data=None, steps=1, device="NVIDIA H100 80GB HBM3", **columns):
    """*kernels*: (class, seconds); *host*: the host's own seconds before each; *waits*: numbers of the calls that wait."""
    count = len(kernels)
    work = np.array(host, float)
    return Workload(
        device=device,
        pieces=columns_of(kernels, **columns),
        calls=HostCalls(
            work_s=work, data_s=np.array(data or [0.0] * count, float), waits=np.isin(np.arange(count), list(waits))
        ),
        steps=steps,
        tail_s=tail,
        pause_s=0.0,
        events_per_step=10.0 * count,
        profiled_step_s=float(work.sum() + tail) / steps,
        parameter_bytes=0.0,
    )


def columns_of(kernels, **columns):
    """Columns of *kernels*; others as given, else unknown."""
    count = len(kernels)
    given = {
        "seconds": np.array([seconds for _, seconds in kernels], float),
        "kind": np.array([BUSY.index(kind) for kind, _ in kernels]),
        "format": np.array([FORMATS.index(columns.pop("format", "unknown"))] * count),
        "flops": np.full(count, np.nan),
        "bytes": np.full(count, np.nan),
        "blocks": np.full(count, -1),
        "resident": np.ones(count),
        "stream": np.full(count, 7),
        "is_local": np.zeros(count, bool),
        "is_fixed": np.zeros(count, bool),
        "is_cast": np.zeros(count, bool),
        "is_odd": np.zeros(count, bool),
        "call": np.arange(count),
        "operator": np.arange(count),
    }
    return Pieces(**{**given, **{name: np.array(value) for name, value in columns.items()}})
