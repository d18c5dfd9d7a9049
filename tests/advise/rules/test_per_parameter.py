"""The per_parameter rule, judged by literal evidence."""

import pytest

MODEL = {"devices": {"cpu": 233285}, "parameters": 233285, "parameter_tensors": 100}


def row(name, calls, module=None):
    return {"name": name, "kind": "operator", "module": module, "calls_per_step": calls, "seconds_per_step": 0.001}


AVERAGE = [row("aten::mul", 200.0), row("aten::add", 100.0), row("aten::mm", 100.0, "0")]


@pytest.fixture
def gap(phases):
    return phases(forward=0.03, backward=0.04, optimizer=0.005, other=0.025)


def test_it_speaks_of_an_average_made_parameter_by_parameter(ask, gap):
    said = ask("per_parameter", breakdown=gap, model=MODEL, host_operators=AVERAGE)
    assert "_foreach_lerp_" in said.how
    assert said.saves.low < 0.25 * 0.87 < said.saves.high
    assert said.saves.high - said.saves.low < 0.10


def test_it_quotes_the_loop_that_the_script_shows(ask, gap):
    fact = {"fact": "per-parameter-loop", "file": "t.py", "line": 3, "code": "for p in model.parameters():"}
    said = ask("per_parameter", breakdown=gap, model=MODEL, host_operators=AVERAGE, script_facts=[fact])
    assert said.evidence["line"] == "t.py:3: for p in model.parameters():"
    assert said.confidence == "high"


def test_clipping_by_hand_gets_the_function_that_clips(ask, gap):
    clip = [row("aten::linalg_vector_norm", 100.0), row("aten::mul_", 100.0)]
    assert "clip_grad_norm_" in ask("per_parameter", breakdown=gap, model=MODEL, host_operators=clip).how


def test_it_is_silent_where_one_call_does_it(ask, gap):
    """On a CPU the one call runs the same small operators beneath it."""
    cured = [*AVERAGE, row("aten::_foreach_lerp_", 1.0)]
    assert ask("per_parameter", breakdown=gap, model=MODEL, host_operators=cured) is None


def test_it_is_silent_about_operators_of_modules_and_of_other_counts(ask, gap):
    inside = [row("aten::mul", 200.0, "layers.*"), row("aten::add_", 100.0, "optimizer"), row("aten::mul", 37.0)]
    assert ask("per_parameter", breakdown=gap, model=MODEL, host_operators=inside) is None


def test_it_is_silent_where_little_lies_between_the_phases(ask, phases):
    busy = phases(forward=0.05, backward=0.05, other=0.004)
    assert ask("per_parameter", breakdown=busy, model=MODEL, host_operators=AVERAGE) is None


def test_large_tensors_gain_little_and_few_even_less(ask, gap):
    large = {**MODEL, "parameters": 100 * 50_000}
    assert ask("per_parameter", breakdown=gap, model=large, host_operators=AVERAGE) is None
    few = {**MODEL, "parameter_tensors": 10, "parameters": 10_000}
    assert ask("per_parameter", breakdown=gap, model=few, host_operators=[row("aten::mul", 20.0)]) is None
