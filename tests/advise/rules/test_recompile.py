"""The recompile rule, judged by literal evidence."""

import pytest

SIZE = "L['x'] size mismatch at index 1. expected 64, actual 72"
AGAIN = {"count": 6, "in_steady_count": 4, "in_steady_seconds_per_step": 0.004, "reasons": [SIZE]}


def test_it_speaks_of_compilations_in_steady_steps(ask):
    said = ask("recompile", step_s=0.01, compilations=AGAIN)
    assert "dynamic=True" in said.how
    assert (said.saves.low, said.saves.high) == pytest.approx((0.30, 0.40))


def test_what_is_made_ready_after_a_compilation_may_go_as_well(ask):
    said = ask("recompile", step_s=0.01, compilations={**AGAIN, "around_steady_seconds_per_step": 0.007})
    assert (said.saves.low, said.saves.high) == pytest.approx((0.30, 0.70))
    said = ask("recompile", step_s=0.01, compilations={**AGAIN, "around_steady_seconds_per_step": None})
    assert said.saves.high == pytest.approx(0.40)


def test_another_reason_has_another_cure(ask):
    said = ask("recompile", step_s=0.01, compilations={**AGAIN, "reasons": ["L['self'].scale == 0.5"]})
    assert "TORCH_LOGS=recompiles" in said.how


def test_it_is_silent_about_the_compilations_of_the_warm_up(ask):
    once = {"count": 2, "in_steady_count": 0, "in_steady_seconds_per_step": 0.0, "reasons": []}
    assert ask("recompile", step_s=0.01, compilations=once) is None


def test_it_is_silent_where_they_take_little(ask):
    assert ask("recompile", step_s=0.2, compilations=AGAIN) is None


def test_it_is_silent_where_nothing_is_compiled(ask):
    assert isinstance(ask("recompile", step_s=0.2), str)


def test_of_tensorflow_it_names_the_function_that_is_traced_again(ask):
    traced = [{"name": "train_step", "count": 17}, {"name": "score", "count": 1}]
    said = ask("recompile", step_s=0.01, compilations={**AGAIN, "reasons": []}, traced=traced)
    assert "reduce_retracing" in said.how
    assert said.evidence["traced most often"] == "train_step, 17 times"
    assert said.confidence == "high"
