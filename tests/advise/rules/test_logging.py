"""The logging rule, judged by literal evidence."""

import pytest


def line(function, self_share, number=34, **changes):
    return {
        "function": function, "file": "/home/a/train.py", "line": number, "role": "main", "window": "steady",
        "share": self_share, "self_share": self_share, "samples": int(50 * self_share), **changes,
    }  # fmt: skip


def test_it_speaks_for_trackers_that_are_called_in_every_step(ask, phases):
    breakdown = phases(forward=0.03, backward=0.03, logging=0.04)
    said = ask("logging", breakdown=breakdown, logging_calls={"called": ["SummaryWriter.add_histogram"]})
    assert said.cause == "logging" and "add_histogram" in said.evidence["called"]
    assert (said.saves.low, said.saves.high) == pytest.approx((0.4 * 0.8, (0.4 + 0.15 * 0.6) * 0.98))


@pytest.mark.parametrize(
    "name", ["write_log", "log_metrics", "logMetrics", "report_losses", "print_stats", "Trainer.log"]
)
def test_it_speaks_for_a_function_whose_name_says_that_it_logs(ask, phases, name):
    said = ask("logging", breakdown=phases(forward=0.06, other=0.04), hot_lines=[line(name, 0.38)])
    assert 0.2 < said.saves.low < said.saves.high <= 0.50 and "train.py:34" in said.evidence["spent in"]


@pytest.mark.parametrize("name", ["softmax_logits", "logsumexp", "log_softmax", "catalog", "blueprint", "<module>"])
def test_other_functions_are_not_taken_for_logging(ask, phases, name):
    assert ask("logging", breakdown=phases(forward=0.06, other=0.04), hot_lines=[line(name, 0.38)]) is None


def test_a_print_in_the_loop_is_logging(ask, phases):
    fact = {"fact": "print-in-loop", "file": "train.py", "line": 34, "code": "print(loss)", "in_loop": True}
    given = {"breakdown": phases(forward=0.06, other=0.04), "hot_lines": [line("<module>", 0.3)]}
    assert 0.1 < ask("logging", script_facts=[fact], **given).saves.low < 0.3
    assert ask("logging", script_facts=[{**fact, "file": "other.py"}], **given) is None


def test_it_promises_no_more_than_no_phase_claims(ask, phases):
    said = ask("logging", breakdown=phases(forward=0.08, other=0.02), hot_lines=[line("write_log", 0.5)])
    assert said.saves.high <= 0.2 * 1.5


def test_it_is_silent_when_logging_is_rare(ask, phases):
    assert ask("logging", breakdown=phases(forward=0.08, logging=0.002), hot_lines=[line("write_log", 0.01)]) is None


def test_it_is_silent_without_logging(ask, phases):
    assert ask("logging", breakdown=phases(forward=0.08, backward=0.02)) is None
