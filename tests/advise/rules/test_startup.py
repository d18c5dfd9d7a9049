"""The startup rule, judged by literal evidence."""

import pytest


def run(**seconds):
    total = sum(seconds.values())
    return [{"name": name.replace("_", " "), "seconds": s, "share": s / total} for name, s in seconds.items()]


def line(function, self_share, **changes):
    return {
        "function": function, "file": "/home/a/prepare.py", "line": 25, "role": "main", "window": "startup",
        "share": self_share, "self_share": self_share, "samples": 100, **changes,
    }  # fmt: skip


SLOW = run(imports=2.0, preparation=6.0, steady_steps=4.0)


def test_it_speaks_when_data_are_prepared_for_half_of_the_run(ask):
    said = ask(
        "startup", run_breakdown=SLOW, hot_lines=[line("parse", 0.70), line("<module>", 0.28, import_share=0.28)]
    )
    assert said.basis == "run" and "parse (prepare.py:25)" in said.evidence["spent in"]
    assert 0.3 < said.saves.low < said.saves.high <= 0.5
    assert said.saves.high - said.saves.low < 0.25


def test_it_is_silent_for_a_short_preparation(ask):
    assert ask("startup", run_breakdown=run(imports=2.0, preparation=1.0, steady_steps=4.0)) is None
    assert ask("startup", run_breakdown=run(imports=2.0, preparation=5.0, steady_steps=400.0)) is None


def test_importing_is_no_preparation_of_data(ask):
    assert (
        ask("startup", run_breakdown=SLOW, hot_lines=[line("<module>", 0.95, import_share=0.94), line("read", 0.05)])
        is None
    )


def test_data_read_from_a_cache_are_the_cure_applied(ask):
    cured = run(imports=2.0, preparation=0.3, steady_steps=4.0)
    assert ask("startup", run_breakdown=cured, hot_lines=[line("load", 0.1)]) is None


def test_without_samples_it_promises_less_and_with_less_confidence(ask):
    said = ask("startup", run_breakdown=SLOW)
    assert said.confidence == "low" and said.saves.low == pytest.approx(0.5 * 0.5 * 0.85)


def test_importing_within_a_function_is_no_preparation_of_data_either(ask):
    """Making an optimizer imports torch._dynamo, in whatever function that happens."""
    given = {"run_breakdown": SLOW, "hot_lines": [line("main", 0.6, import_share=0.58)]}
    assert ask("startup", **given) is None


def test_a_script_without_functions_prepares_data_as_well(ask):
    said = ask("startup", run_breakdown=SLOW, hot_lines=[line("<module>", 0.9, import_share=0.3)])
    assert said is not None and "<module> (prepare.py:25)" in said.evidence["spent in"]
