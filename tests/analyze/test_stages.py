"""Stages of scripts without steps, from literal lines."""

import json

import pytest

from perfkit.analyze import stages
from perfkit.runs.reader import Run


def line(of, t, dur, *, what="fit", pid=7, **more):
    return {"pid": pid, "what": what, "of": of, "t": t, "dur": dur, "cpu": dur, "parts": [], "same": 0, **more}


@pytest.fixture
def recorded(tmp_path):
    def write(*lines):
        (tmp_path / "stages.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
        return Run(tmp_path)

    return write


def test_stages_of_the_process_that_did_most_are_told_in_order(recorded):
    run = recorded(line("B.fit", 50, 5), line("A.fit", 10, 5), line("W.fit", 12, 3, pid=8))
    assert [row["of"] for row in stages.outermost(run)] == ["A.fit", "B.fit"]
    assert stages.outermost(recorded()) == []


def test_calls_are_added_up_and_parts_follow_their_stage():
    part = {
        "path": ["Scaler.fit_transform"],
        "what": "transform",
        "calls": 1,
        "ns": 10**8,
        "rows": 5,
        "rows_out": 5,
    }
    rows = stages.table(
        [
            line("Pipeline.fit", 0, 10**9, rows=5, parts=[part]),
            line("Pipeline.fit", 2 * 10**9, 10**9, rows=6, parts=[part]),
            line("Forest.predict", 10**10, 3 * 10**9, what="predict", same=1, calls=4),
        ],
        whole_s=10.0,
    )
    assert [(row["name"], row["depth"], row["calls"]) for row in rows] == [
        ("Forest.predict", 0, 4), ("Pipeline.fit", 0, 2), ("Scaler.fit_transform", 1, 2),
    ]  # fmt: skip
    assert rows[0]["repeated_seconds"] == rows[0]["seconds"] == 3.0
    assert (rows[1]["share"], rows[1]["rows"], rows[1]["cpu_seconds"]) == (0.2, 6, 2.0)
    assert rows[2]["seconds"] == pytest.approx(0.2)


def test_parts_follow_what_they_are_part_of_in_whatever_order_they_ended():
    def part(*path):
        return {"path": list(path), "what": "fit", "calls": 1, "ns": 10}

    first = [part("A.fit", "a.fit"), part("A.fit"), part("B.fit", "b.fit"), part("B.fit")]
    second = [part("A.fit", "later.fit"), part("A.fit"), part("B.fit")]
    rows = stages.table([line("P.fit", 0, 100, parts=first), line("P.fit", 200, 100, parts=second)], whole_s=None)
    assert [(row["name"], row["depth"]) for row in rows[1:]] == [
        ("A.fit", 1), ("a.fit", 2), ("later.fit", 2), ("B.fit", 1), ("b.fit", 2),
    ]  # fmt: skip


def test_lines_that_stand_for_many_calls_have_no_place_in_time():
    found = stages.spans([line("A.fit", 1, 2), line("A.fit", 9, 50, calls=100), line("load", 0, 1, what="load")])
    assert found["fit"][0].tolist() == [1]
    assert found["load"][1].tolist() == [1]
