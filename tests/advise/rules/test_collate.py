"""The collate rule, judged by literal evidence."""

import pytest

LOADER = {"num_workers": 0}


def line(function, self_share, role="main", **changes):
    return {
        "function": function, "file": "/home/a/train.py", "line": 32, "role": role, "window": "steady",
        "share": self_share, "self_share": self_share, "samples": int(50 * self_share), **changes,
    }  # fmt: skip


def test_it_speaks_when_the_scripts_own_collate_takes_the_step(ask, phases):
    breakdown = phases(data=0.08, forward=0.02)
    said = ask("collate", breakdown=breakdown, loader=LOADER, hot_lines=[line("collate", 0.76)])
    assert said.cause == "input" and said.evidence["most at"] == "train.py:32"
    assert 0.45 < said.saves.low < 0.74 < said.saves.high <= 0.8


def test_in_busy_workers_it_gives_back_no_more_than_the_wait(ask, phases):
    given = {"breakdown": phases(data=0.04, forward=0.06), "loader": {"num_workers": 2}}
    said = ask("collate", hot_lines=[line("collate", 0.9, "loader worker")], **given)
    assert said.saves.low == said.saves.high == pytest.approx(0.4)
    assert ask("collate", hot_lines=[line("collate", 0.2, "loader worker")], **given) is None


def test_decoding_is_not_collating(ask, phases):
    given = {"breakdown": phases(data=0.08, forward=0.02), "loader": LOADER}
    assert ask("collate", hot_lines=[line("__getitem__", 0.7), line("collate", 0.02)], **given) is None


def test_it_is_silent_when_the_step_does_not_wait(ask, phases):
    given = {"breakdown": phases(data=0.001, forward=0.1), "loader": {"num_workers": 2}}
    assert ask("collate", hot_lines=[line("collate", 0.9, "loader worker")], **given) is None


def test_a_vectorised_collate_is_the_cure_applied(ask, phases):
    given = {"breakdown": phases(data=0.01, forward=0.05), "loader": LOADER}
    assert ask("collate", hot_lines=[line("collate", 0.03)], **given) is None
