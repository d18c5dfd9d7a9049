"""`perfkit bench inference`, as a person calls it."""

import json
import os
import subprocess
import sys

import pytest

SERVED = """
import time
import numpy as np
calls = 0
def quick(x):
    time.sleep(0.002)
    return x + 1
def other(x):
    return x + 1.5
def examples(batch):
    return np.zeros((batch, 3), dtype="float32")
"""


@pytest.fixture
def bench(tmp_path):
    """bench("quick", *options) -> the finished process, in a folder with SERVED."""
    (tmp_path / "served.py").write_text(SERVED)

    def go(name, *words, ask=("--inputs", "served:examples")):
        argv = [sys.executable, "-m", "perfkit", "bench", "inference", f"served:{name}", *ask, *words]
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
        return subprocess.run(
            argv, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return go


@pytest.mark.slow
def test_all_scenarios_and_sweeps_are_told_and_written(bench, tmp_path):
    done = bench("quick", "--for", "0.3s", "--batches", "1,2,4", "--clients", "--json", "b.json")
    assert done.returncode == 0, done.stderr
    document = json.loads((tmp_path / "b.json").read_text())
    assert [row["scenario"] for row in document["scenarios"]] == ["single-stream", "multi-stream", "server", "offline"]
    for row in document["scenarios"]:
        assert row["verdict"]["valid"]
        assert row["samples_per_s"] > 0
    assert document["scenarios"][1]["samples_per_query"] == 8
    assert document["scenarios"][2]["queries"] >= 662
    assert [row["size"] for row in document["batches"]["rows"]] == [1, 2, 4]
    assert document["clients"]["rows"][0]["size"] == 1
    assert document["model"] == {"spec": "served:quick", "kind": "function", "framework": None}
    for word in ("single-stream", "offered", "batch", "clients"):
        assert word in done.stdout


def test_outputs_that_changed_are_a_regression_however_fast_they_come(bench):
    short = ("--scenario", "single-stream", "--for", "0.1s")
    assert bench("quick", *short, "--keep-outputs", "o.npz").returncode == 0
    same = bench("quick", *short, "--check-outputs", "o.npz")
    assert same.returncode == 0
    assert "those that were kept" in same.stdout
    wrong = bench("other", *short, "--check-outputs", "o.npz")
    assert wrong.returncode == 3
    assert "WRONG" in wrong.stdout


def test_a_limit_that_is_not_kept_is_a_regression(bench):
    words = ("--scenario", "server", "--rate", "200", "--for", "0.5s", "--limit", "1ms")
    done = bench("quick", *words)
    assert done.returncode == 3
    assert "BEYOND" in done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--scenario", "nothing"), "no scenario 'nothing'"),
        (("--batches", "1,a"), "--batches"),
        (("--limit", "soon"), "--limit"),
        (("--for", "0s"), "--for"),
    ],
)
def test_what_cannot_be_meant_is_told_in_one_line(bench, words, told):
    done = bench("quick", *words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_without_inputs_it_asks_for_them_and_with_wrong_ones_says_so(bench):
    assert "what is it asked" in bench("quick", ask=()).stderr
    wrong = bench("quick", "--scenario", "offline", ask=("--input", "a:float32[{batch}]"))
    assert wrong.returncode == 2
    assert "does not take these inputs" in wrong.stderr
