"""Lines that stack samples found among the steps."""

import re

import pytest

from perfkit.advise.sampled import is_named, place, share_and_error, steady


def line(function="f", self_share=0.5, window="steady", role="main", samples=25, share=0.5):
    return {
        "function": function, "file": "/a/b/train.py", "line": 7, "role": role, "window": window, "share": share,
        "self_share": self_share, "samples": samples,
    }  # fmt: skip


def test_only_one_window_counts_the_longest():
    short, long = line("short"), line("long", window="steady-2", samples=75)
    assert steady([short, long]) == [long]


def test_start_up_other_roles_and_mere_callers_do_not_count():
    lines = [line(window="startup"), line(role="loader worker"), line(self_share=0.0)]
    assert steady(lines) == [] == steady(None)
    assert steady(lines, "loader worker") == [lines[1]]


def test_the_error_is_that_of_a_share_of_so_many_samples():
    assert share_and_error(
        [line(self_share=0.3, share=0.3, samples=15), line(self_share=0.2, share=0.2, samples=10)]
    ) == (
        pytest.approx(0.5),
        pytest.approx((0.5 * 0.5 / 50) ** 0.5),
    )
    assert share_and_error([]) == (0.0, 0.0)


def test_a_method_is_named_by_its_own_name_or_its_class():
    log = re.compile("^log")
    assert is_named("Trainer.log_metrics", log) and is_named("log.<listcomp>", log) and not is_named("Catalog.f", log)


def test_a_place_is_short():
    assert place(line()) == "f (train.py:7)"
