"""The hand_batches rule, judged by literal evidence."""

import pytest

FACT = {
    "fact": "tensor-from-list-in-loop",
    "file": "train.py",
    "line": 35,
    "code": "x = torch.tensor(…)",
    "in_loop": True,
}


def line(function, self_share, number=35, **changes):
    return {
        "function": function, "file": "/home/a/train.py", "line": number, "role": "main", "window": "steady",
        "share": self_share, "self_share": self_share, "samples": int(50 * self_share), **changes,
    }  # fmt: skip


@pytest.fixture
def base(phases):
    return {
        "breakdown": phases(forward=0.02, backward=0.02, other=0.06),
        "hot_lines": [line("<module>", 0.58)],
        "script_facts": [FACT],
    }


def test_it_speaks_when_tensors_are_made_of_lists_in_the_loop(ask, base):
    said = ask("hand_batches", **base)
    assert said.cause == "input" and said.evidence["batches are made at"] == "train.py:35"
    assert 0.35 < said.saves.low < said.saves.high <= 0.6


def test_a_function_may_say_by_its_name_that_it_makes_batches(ask, base):
    given = {**base, "script_facts": [], "hot_lines": [line("next_batch", 0.5, 12)]}
    assert ask("hand_batches", **given) is not None


def test_without_samples_the_scripts_text_is_enough_but_promises_less(ask, base):
    said = ask("hand_batches", **{**base, "hot_lines": None})
    assert said.confidence == "low" and said.saves.low == pytest.approx(0.6 * 0.5 * 0.8)


def test_other_work_between_the_steps_is_not_batches(ask, base):
    assert ask("hand_batches", **{**base, "hot_lines": [line("write_log", 0.58, 80)]}) is None
    assert ask("hand_batches", **{**base, "hot_lines": [line("<module>", 0.58, 80)]}) is None


def test_it_is_silent_where_a_loader_feeds_the_steps(ask, base):
    assert ask("hand_batches", loader={"num_workers": 0}, **base) is None


def test_indexed_tensors_are_the_cure_applied(ask, base, phases):
    cured = {**base, "breakdown": phases(forward=0.02, backward=0.02, other=0.002), "hot_lines": [line("x", 0.02)]}
    assert ask("hand_batches", **cured) is None
