"""A step that computes on the processor, on another one."""

import pytest

from perfkit.compare.projection.processor import Rates, move

LINEAR = {"name": "aten::addmm", "kind": "operator", "work": "matmul", "calls_per_step": 2, "seconds_per_step": 6e-3, "dtypes": '["float", "float", "float"]'}  # fmt: skip
DROPOUT = {"name": "aten::bernoulli_", "kind": "operator", "work": None, "calls_per_step": 1, "seconds_per_step": 2e-3}
VIEWS = {"name": "aten::view", "kind": "operator", "work": None, "calls_per_step": 100, "seconds_per_step": 1e-3}
NOTHING = Rates(products={}, memory=None, calls=None, python=None, batches=None)


def rates(**known):
    return Rates(**{**vars(NOTHING), **known})


def test_large_products_go_with_the_rate_of_their_format():
    half = move([LINEAR], 6e-3, rates(products={"fp32": 0.5, "bf16": 0.1}))
    assert half.step_s.expected == pytest.approx(3e-3)
    assert half.parts["products"] == pytest.approx((6e-3, 3e-3))


def test_each_part_goes_its_own_way_and_they_add_up_to_the_step():
    moved = move([LINEAR, DROPOUT, VIEWS], 10e-3, rates(products={"fp32": 0.5}, memory=0.25, calls=2.0, python=1.0))
    assert moved.parts == {
        "products": pytest.approx((6e-3, 3e-3)),
        "memory": pytest.approx((2e-3, 0.5e-3)),
        "calls": pytest.approx((1e-3, 2e-3)),
        "python": pytest.approx((1e-3, 1e-3)),
    }
    assert moved.step_s.expected == pytest.approx(6.5e-3)
    assert moved.step_s.low < moved.step_s.expected < moved.step_s.high


def test_what_was_not_calibrated_on_both_is_taken_to_be_alike_and_said():
    moved = move([LINEAR, DROPOUT], 8e-3, NOTHING)
    assert moved.step_s.expected == pytest.approx(8e-3)
    assert "matrix products" in moved.notes[0]
    assert (
        move([LINEAR], 6e-3, rates(products={"fp32": 1.0}, memory=1.0, calls=1.0, python=1.0, batches=1.0)).notes == []
    )
