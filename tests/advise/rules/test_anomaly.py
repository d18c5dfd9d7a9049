"""The anomaly rule, judged by literal evidence and by what was measured on a CPU."""

import pytest

ON, OFF = {"anomaly_detection": True}, {"anomaly_detection": False}


def checks(seconds, calls):
    return [
        {"name": "aten::any", "kind": "operator", "seconds_per_step": seconds / 2, "calls_per_step": calls},
        {"name": "aten::ne", "kind": "operator", "seconds_per_step": seconds / 2, "calls_per_step": calls},
    ]


# Model: forward and backward (µs) without and with anomaly detection, the checks' time as traced and their number; CPU
# time of one thread.
MEASURED = {
    "mlp 64, batch 32": ((122, 160), (937, 333), 143, 25),
    "mlp 64, batch 1": ((76, 131), (962, 259), 91, 25),
    "convolutions, batch 1": ((248, 258), (1079, 384), 99, 21),
    "convolutions with norm, batch 1": ((504, 406), (1796, 667), 236, 30),
    "encoder, batch 1": ((800, 705), (8169, 1681), 654, 119),
    "gpt, batch 1": ((585, 667), (5269, 1331), 548, 91),
    "lstm 64, batch 32": ((780, 1261), (1460, 1580), 229, 12),
    "gru 64, batch 64": ((6041, 9563), (44081, 27211), 23718, 1553),
    "elementwise chain": ((211, 250), (1498, 526), 308, 62),
    "mlp 512, batch 64": ((1654, 3430), (2763, 6569), 4283, 25),
}


@pytest.mark.parametrize("name", MEASURED)
def test_the_measured_gain_lies_in_the_interval(ask, phases, name):
    plain, slow, checking, calls = MEASURED[name]
    said = ask(
        "anomaly",
        torch=ON,
        breakdown=phases(forward=slow[0] / 1e6, backward=slow[1] / 1e6),
        host_operators=checks(checking / 1e6, calls),
    )
    assert said.saves.low <= 1 - sum(plain) / sum(slow) <= said.saves.high
    assert said.saves.high - said.saves.low <= 0.40


def test_it_is_silent_when_anomaly_detection_is_off(ask, phases):
    given = {"breakdown": phases(forward=0.01, backward=0.01), "host_operators": checks(0.005, 20)}
    assert ask("anomaly", torch=OFF, **given) is None
    assert ask("anomaly", torch={}, **given) is None


def test_it_is_silent_where_it_costs_next_to_nothing(ask, phases):
    given = {"breakdown": phases(forward=0.9, backward=0.9), "host_operators": checks(0.01, 20)}
    assert ask("anomaly", torch=ON, **given) is None


def test_without_a_trace_it_tells_the_range_that_was_measured(ask, phases):
    said = ask("anomaly", torch=ON, breakdown=phases(forward=0.05, backward=0.05))
    assert (said.saves.low, said.saves.high) == pytest.approx((0.2, 0.8)) and said.confidence == "medium"
