"""Stored results side by side: what may be compared, and what a difference between two processes means."""

import json
import math

import numpy as np
import pytest

from perfkit.bench import stored
from perfkit.bench.history import store
from perfkit.cli.compare import exit_code
from perfkit.cli.main import run
from perfkit.errors import UsageError

MACHINE = {"cpu": "A", "usable_cores": 2.0}
NAME = "tests/test_speed.py::test_it"


def written(path, seconds, *, machine=MACHINE, software=None, counts=None, commit="c" * 40):
    """A file as ``pytest --perfkit-json`` writes it, of benchmarks and their *seconds*."""
    rows = [
        {"fullname": name, "stats": {"median": value}, "perfkit": {"counts": counts or {}}}
        for name, value in seconds.items()
    ]
    document = {
        "machine_info": {}, "commit_info": {"id": commit, "dirty": False}, "benchmarks": rows, "datetime": "2026-11-28T10:00:00+00:00",
        "version": "5.3.1", "perfkit": {"schema_version": 1, "fingerprint": machine, "software": software or {"torch": "2.13"}},
    }  # fmt: skip
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def compared(tmp_path):
    """compared(before, after, scatter, **settings of the second file) -> the document."""

    def go(before, after, scatter=0.02, **settings):
        one = stored.load(written(tmp_path / "a.json", {NAME: before}))
        other = stored.load(written(tmp_path / "b.json", {NAME: after}, **settings))
        return stored.compare(one, other, bound=0.01, scatter=lambda _name: scatter)

    return go


@pytest.mark.parametrize(
    ("after", "scatter", "verdict", "code"),
    [
        (1.05, 0.02, "regressed", 3),
        (1.05, None, "inconclusive", 4),  # a process of the same program may differ by as much
        (1.15, None, "regressed", 3),
        (0.95, 0.02, "improved", 0),
        (1.0, 0.01, "same", 0),
        (1.0, 0.05, "inconclusive", 4),
    ],
)
def test_a_difference_counts_where_the_same_code_does_not_differ_as_much(compared, after, scatter, verdict, code):
    document = compared(1.0, after, scatter)
    (row,) = document["rows"]
    assert row["verdict"] == verdict
    assert row["change"]["estimate"] == pytest.approx(after - 1)
    assert row["change"]["low"] < after - 1 < row["change"]["high"]
    assert exit_code(document, fails_open=True) == code
    assert any("is assumed" in note for note in document["notes"]) == (scatter is None)


def test_times_of_unlike_machines_are_not_compared_and_counts_are(compared):
    document = compared(1.0, 3.0, machine={**MACHINE, "cpu": "B"}, counts={"flops": 2.0})
    (row,) = document["rows"]
    assert (row["verdict"], row["change"]["estimate"]) == ("incomparable", None)
    assert document["causes"] == ["cpu: A / B"]
    assert exit_code(document, fails_open=True) == 4
    assert exit_code(document, fails_open=False) == 0


def test_other_versions_are_said(compared):
    assert "not the same: torch: 2.13 / 2.14" in compared(1.0, 1.0, software={"torch": "2.14"})["notes"]


def test_a_file_without_times_and_files_without_a_benchmark_in_common_are_refused(tmp_path):
    empty = tmp_path / "empty.json"
    empty.write_text("{}")
    with pytest.raises(UsageError, match="not a result"):
        stored.load(empty)
    files = [stored.load(written(tmp_path / f"{name}.json", {name: 1.0})) for name in "ab"]
    with pytest.raises(UsageError, match=r"no benchmark is in both: 1 in .*a.json, 1 in .*b.json"):
        stored.compare(*files, bound=0.01, scatter=lambda _name: None)


def test_what_the_same_code_differs_by_is_learnt_from_the_history(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    with store.opened(make=True) as history:
        for number in range(12):
            seconds = {NAME: math.exp(chance.normal(0, 0.003))}
            history.add(written(tmp_path / f"{number}.json", seconds))
        history.add(written(tmp_path / "other.json", {NAME: 2.0}, commit="d" * 40))  # another commit is no scatter
    before, after = (written(tmp_path / f"{name}.json", {NAME: value}) for name, value in (("a", 1.0), ("b", 1.05)))
    assert run(["compare", str(before), str(after), "--json", "found.json"]) == 3
    (row,) = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert 0.002 < row["scatter"] < 0.02
    said = capsys.readouterr().out
    assert "+5.0 %" in said
    assert "change (scatter)" in said
    assert run(["compare", str(before), str(before)]) in (0, 4)


def test_few_differences_tell_nothing(tmp_path):
    rows = [{"id": n, "machine": "m", "commit_id": "c", "changed": False} for n in range(stored.LEAST)]
    values = [{"benchmark": NAME, "kind": "seconds", "base": "", "log": 0.0, "result": n} for n in range(stored.LEAST)]
    assert stored.scatter_in(values, rows, "m") == {}  # one difference fewer than results
    rows.append({"id": 99, "machine": "m", "commit_id": "c", "changed": False})
    values.append({"benchmark": NAME, "kind": "seconds", "base": "", "log": 0.1, "result": 99})
    assert stored.scatter_in(values, rows, "m") == {NAME: pytest.approx(math.expm1(0.1))}
    assert stored.scatter_in(values, rows, "another") == {}
