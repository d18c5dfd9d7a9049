"""The floatx rule, judged by literal evidence."""

import pytest

KERAS = {"backend": "tensorflow", "floatx": "float64"}
MODEL = {"dtypes": {"float64": 400_000}}


def test_it_speaks_of_parameters_in_double_precision(ask, phases):
    said = ask(
        "floatx",
        breakdown=phases(function=0.09, other=0.01),
        compiled_model=MODEL,
        keras=KERAS,
        tensorflow={"devices": []},
    )
    assert (said.saves.low, said.saves.high) == pytest.approx((0.45, 0.75 + 0.075))
    assert said.evidence["float64 parameters"] == "400,000 of 400,000"


@pytest.mark.parametrize(
    "given",
    [
        {"compiled_model": {"dtypes": {"float32": 400_000}}},
        {"compiled_model": {"dtypes": {"float32": 300_000, "float64": 100_000}}},
        {"compiled_model": {"dtypes": {}}},
        {"tensorflow": {"devices": [{"name": "GPU:0"}]}},
    ],
)
def test_it_is_silent(ask, phases, given):
    evidence = {"compiled_model": MODEL, "keras": KERAS} | given
    assert ask("floatx", breakdown=phases(function=0.09, other=0.01), **evidence) is None
