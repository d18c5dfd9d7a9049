"""Waiting for tf.data, from literal events and in the phases of a step."""

import numpy as np
import pytest

from perfkit.analyze.breakdown import with_traced_wait
from perfkit.analyze.input_wait import InputWait, asked_in_python, input_wait
from perfkit.analyze.traced_steps import Window


class Trace:
    """As many events as are given: (category, name, start and length in ns); stands in for `trace.events.Events`."""

    def __init__(self, *rows):
        self.rows = rows
        self.ts_ns = np.array([row[2] for row in rows], dtype=np.int64)
        self.end_ns = self.ts_ns + np.array([row[3] for row in rows], dtype=np.int64)

    def in_categories(self, *wanted):
        return np.array([row[0] in wanted for row in self.rows], dtype=bool)

    def name_matches(self, *prefixes):
        return np.array([row[1].startswith(prefixes) for row in self.rows], dtype=bool)


WINDOW = Window(edges_ns=np.array([1000, 2000, 3000]), numbers=[7, 8])


def test_the_wait_is_what_lies_within_the_steps_once():
    found = input_wait(
        Trace(
            ("tf_data", "IteratorGetNextOp::DoCompute", 900, 300),  # 200 of it within the first step
            ("tf_data", "IteratorGetNextOp::DoCompute", 2100, 400),
            ("tf_data", "IteratorGetNextAsOptional", 2300, 300),  # 200 of it are told already
            ("tf_runtime", "PrefetchProduce", 1000, 1500),
            ("cpu_op", "MatMul", 1000, 500),
        ),
        WINDOW,
    )
    assert found.wait_s == pytest.approx(350e-9)
    assert found.share == pytest.approx(0.35)
    assert found.produce_s == pytest.approx(750e-9)
    assert (found.prefetches, found.steps) == (True, 2)


def test_without_a_prefetching_stage_a_batch_is_made_while_it_is_waited_for():
    found = input_wait(Trace(("tf_data", "IteratorGetNextOp::DoCompute", 1000, 500)), WINDOW)
    assert found.produce_s == found.wait_s
    assert not found.prefetches


def test_other_traces_say_nothing_of_it():
    assert input_wait(Trace(("cpu_op", "aten::mm", 1000, 500)), WINDOW) is None


def rows(**shares):
    return [{"name": name, "seconds_per_step": value / 10, "share": value} for name, value in shares.items()]


def test_the_wait_is_taken_out_of_the_function_or_of_what_no_phase_told():
    found = with_traced_wait(rows(function=0.9, other=0.1), {"share": 0.4, "steps": 5})
    assert {row["name"]: pytest.approx(row["share"]) for row in found} == {"data": 0.4, "function": 0.5, "other": 0.1}
    assert found[0]["traced_steps"] == 5
    found = with_traced_wait(rows(function=0.6, other=0.4), {"share": 0.3, "steps": 5})
    assert {row["name"]: pytest.approx(row["share"]) for row in found} == {"data": 0.3, "function": 0.6, "other": 0.1}


def test_a_wait_that_was_marked_is_not_told_again():
    told = rows(data=0.5, function=0.5)
    assert with_traced_wait(told, {"share": 0.4, "steps": 5}) == told
    assert with_traced_wait(rows(function=1.0), None) == rows(function=1.0)


def test_where_keras_asks_in_python_the_phases_tell():
    phases = [
        {"name": "data", "seconds_per_step": 0.008, "share": 0.8},
        {"name": "function", "seconds_per_step": 0.002, "share": 0.2},
    ]
    assert asked_in_python(phases, 90) == InputWait(
        wait_s=0.008, produce_s=0.008, prefetches=False, share=0.8, steps=90
    )
    assert asked_in_python(phases[1:], 90) is None
