"""Which rounds are run in turns, and which are not."""

from types import SimpleNamespace

import pytest

from perfkit.launch.request import Request
from perfkit.tune import plan, processes
from perfkit.tune.processes import Processes

from .conftest import candidate, figures


def made(tmp_path, *, kind="script", **evidence):
    found = Processes(
        request=Request(kind=kind, target="train.py", results_root=tmp_path), stdin=None, method=None, cache=tmp_path,
        left_s=lambda: 600.0, announce=print, length=plan.Length(steps=24, process_s=10.0),
    )  # fmt: skip
    known = SimpleNamespace(**{"gpu": None, "rank_count": 1, **evidence})
    found.settle_on(figures(step_s=0.01, host_peak_bytes=2**30), 0, None, known)
    return found


def test_a_script_on_the_processor_is_run_in_turns(tmp_path):
    found = made(tmp_path)
    assert found.legs == plan.legs(2.0, 0.01)
    assert found.process_s == found.legs.process_s
    assert "in turns of 4" in found.steady_steps


@pytest.mark.parametrize(
    "otherwise", [{"gpu": "H100"}, {"rank_count": 2}, {"kind": "command"}], ids=["device", "ranks", "launcher"]
)
def test_nobody_is_stopped_where_that_would_not_be_fair(otherwise, tmp_path):
    found = made(tmp_path, **otherwise)
    assert found.legs is None
    assert found.in_turns([None, candidate("a")], 0) == []


def test_too_many_for_the_memory_run_one_after_the_other(tmp_path, monkeypatch):
    found = made(tmp_path)
    monkeypatch.setattr(
        processes.relay, "run", lambda orders, **_: [SimpleNamespace(trial=None, wall_s=1.0)] * len(orders)
    )
    monkeypatch.setattr(processes, "_judged", lambda done, arm, number, wall_s: arm)
    monkeypatch.setattr(processes, "memory_left", lambda: 10 * 2**30)  # 7 of 10 GiB: one and three times two
    assert found.in_turns([None, *map(candidate, "abc")], 0) == ["baseline", "a", "b", "c"]
    assert found.in_turns([None, *map(candidate, "abcd")], 0) == []
