"""The float64 rule, judged by literal evidence."""

import pytest

CPU = {"devices": {"cpu": 1000}, "dtypes": {"float64": 1000}}


def row(name, seconds, *, calls=10.0, work=None, dtype="double"):
    dtypes = f'["{dtype}", "{dtype}"]'
    return {
        "name": name,
        "kind": "operator",
        "work": work,
        "calls_per_step": calls,
        "seconds_per_step": seconds,
        "dtypes": dtypes,
    }


DOUBLE = [row("aten::mm", 0.06, work="matmul"), row("aten::silu", 0.02)]
FLOAT = [row("aten::mm", 0.06, work="matmul", dtype="float"), row("aten::silu", 0.02, dtype="float")]


def test_it_speaks_when_operators_compute_in_double(ask):
    said = ask("float64", step_s=0.1, host_operators=DOUBLE, model=CPU)
    low = (0.06 - 50e-6) * (1 - 1 / 2.0) + (0.02 - 50e-6) * (1 - 1 / 1.8)
    assert said.cause == "precision"
    assert said.saves.low == pytest.approx(low / 0.1)
    assert said.saves.high - said.saves.low < 0.25


def test_it_names_the_line_that_the_script_blames(ask):
    facts = [{"fact": "float64", "file": "train.py", "line": 3, "code": "model.double()"}]
    said = ask("float64", step_s=0.1, host_operators=DOUBLE, model=CPU, script_facts=facts)
    assert said.evidence["perhaps from"] == "train.py:3: model.double()"


def test_it_is_silent_where_float32_computes(ask):
    assert ask("float64", step_s=0.1, host_operators=FLOAT, model={**CPU, "dtypes": {"float32": 1000}}) is None


def test_it_is_silent_where_a_few_sums_are_kept_in_double(ask):
    kept = [*FLOAT, row("aten::sum", 0.01)]
    assert ask("float64", step_s=0.1, host_operators=kept, model=CPU) is None


def test_numbers_of_the_optimizer_are_not_taken_for_tensors_in_double(ask):
    scalars = [{**row("aten::mul_", 0.08), "dtypes": '["float", "double"]'}]
    assert ask("float64", step_s=0.1, host_operators=scalars, model=CPU) is None


def test_it_is_silent_where_tiny_operators_only_wait_to_be_called(ask):
    tiny = [row("aten::mm", 0.0005, calls=100.0, work="matmul")]
    assert ask("float64", step_s=0.0006, host_operators=tiny, model=CPU) is None


def test_it_is_silent_on_a_gpu(ask):
    assert ask("float64", step_s=0.1, host_operators=DOUBLE, model={**CPU, "devices": {"cuda:0": 1}}) is None
