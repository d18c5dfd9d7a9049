import itertools
import time

import pytest

from perfkit.bench.session import Plan
from perfkit.bench.timing import LEAST_BLOCKS, Prepared, timed

SHORT = Plan(block_s=0.01, blocks=6)


def busy(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_a_call_takes_what_it_takes():
    found = timed(lambda: busy(0.001), SHORT)
    assert min(found.blocks) == pytest.approx(0.001, rel=0.5)
    assert len(found.blocks) == 6
    assert found.calls >= 5
    assert found.settled


def test_what_is_slow_at_first_is_not_in_the_blocks():
    calls = []

    def warming_up():
        calls.append(None)
        busy(0.05 if len(calls) <= 6 else 0.001)

    found = timed(warming_up, SHORT)
    assert found.first_s > 0.04
    assert found.warm_up_calls > 6
    assert max(found.blocks) < 0.04


def test_slow_calls_are_fewer_blocks_of_one_call_each(monkeypatch):
    monkeypatch.setattr("perfkit.bench.timing.MOST_S", 0.1)
    found = timed(lambda: busy(0.03), SHORT)
    assert (found.calls, len(found.blocks)) == (1, LEAST_BLOCKS)


def test_it_hands_over_before_each_block_and_settles_after():
    order = []
    found = timed(lambda: order.append("call") or busy(0.001), SHORT, hand_over=lambda: order.append("turn"))
    assert order.count("turn") == len(found.blocks)
    assert order[: found.warm_up_calls] == ["call"] * found.warm_up_calls
    assert order[found.warm_up_calls] == "turn"
    per_turn = (len(order) - 1 - found.warm_up_calls - order.count("turn")) / len(found.blocks)
    assert per_turn > found.calls


def test_what_goes_before_and_after_a_call_is_not_timed():
    order = []

    def ready():
        busy(0.005)
        return lambda: order.append("call") or busy(0.001)

    found = timed(Prepared(ready, lambda: order.append("after")), SHORT)
    assert min(found.blocks) < 0.004
    assert order == ["call", "after"] * (len(order) // 2)


def test_the_result_is_that_of_the_last_call():
    made = itertools.count()
    found = timed(lambda: next(made), SHORT)
    assert found.result > found.earlier
