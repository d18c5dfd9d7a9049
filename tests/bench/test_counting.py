"""What calls take besides time."""

import numpy as np
import torch

from perfkit.bench.counting import METRICS, counted
from perfkit.bench.gate import counts
from perfkit.cli.bench.suite import GATED


def test_arithmetic_and_operators_are_exact_and_the_same_each_time():
    net, x = torch.nn.Linear(32, 8), torch.ones(4, 32)
    found = counted(lambda: net(x))
    assert found["flops"] == 2 * 4 * 32 * 8
    assert found["operators"] >= 1
    again = counted(lambda: net(x))
    assert (again["flops"], again["operators"]) == (found["flops"], found["operators"])


def test_memory_at_its_peak_is_that_of_tensors_or_of_arrays():
    assert counted(lambda: torch.ones(1 << 20).sum())["host_peak_bytes"] >= 4 << 20
    assert counted(lambda: np.ones(1 << 20).sum())["host_peak_bytes"] >= 8 << 20


def test_what_can_be_gated_is_what_one_look_can_tell():
    assert set(GATED) == {name for name, metric in METRICS.items() if metric.slack is not None}


def test_more_of_what_is_gated_is_named_and_a_rounding_of_memory_is_not():
    rows = counts.compared(
        {"flops": 100, "host_peak_bytes": 1000, "joules": 1.0, "kernels": 3},
        {"flops": 101, "host_peak_bytes": 1005, "joules": 2.0},
    )
    assert {row["name"]: row["differs"] for row in rows} == {"flops": 1, "host_peak_bytes": 0, "joules": None}
    assert counts.more(rows, ["flops", "host_peak_bytes"]) == "more arithmetic"
    assert counts.more(rows, ["host_peak_bytes"]) == ""
