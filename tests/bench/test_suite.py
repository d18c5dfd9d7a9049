"""The fixture in pytest, and whole gates on small repositories: processes, worktrees and a slow commit are real."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from perfkit.bench.gate import pairs, trees, why
from perfkit.bench.gate.gate import Gate
from perfkit.bench.session import Plan
from perfkit.cli.bench.suite import exit_code
from perfkit.errors import PerfkitError, UsageError
from perfkit.stats.gate import Rule

pytest_plugins = ["pytester"]

QUICK = Plan(block_s=0.02, blocks=8)
# Few pairs, of a rule that is easily satisfied: what is on trial here is the way, not the rates (tests/stats/test_gate.py, benchmarks/gate.py).
FEW = Rule(allowance=0.05, looks={5: 1.0}, margin=0.05, confirming=5)
# Where nothing is to be found: one in 256 for each direction (five pairs of no change agree in one of 32, and a gain is not confirmed).
SURE = Rule(allowance=2**-8, looks={8: 1.0}, margin=0.05, confirming=8)
WORK = """
import numpy as np
matrix = np.random.default_rng(0).normal(size=(96, 96))
def work(times=10):
    found = matrix
    for _ in range(times):
        found = found @ matrix
        found = found / np.abs(found).max()
    return found
"""
BENCHMARKS = """
from thing import work
def test_work(perfkit):
    perfkit(work)
def test_no_benchmark():
    raise AssertionError("it is not run")
"""


class Repository:
    """A small project with a history."""

    def __init__(self, folder):
        self.folder = folder
        self.git("init", "-q")
        self.write("thing.py", WORK)
        self.write("tests/test_speed.py", BENCHMARKS)
        self.commit()

    def git(self, *words):
        who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.org"]
        done = subprocess.run(["git", *who, *words], cwd=self.folder, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", "change")

    def gate(self, base="HEAD~1", head=None, **settings):
        with trees.sides(base, head, setup=settings.pop("setup", None), say=lambda _line: None) as (old, new):
            place = self.folder.parent / "place"
            given = {"words": ["tests"], "place": place, "limit_s": 600.0, "plan": QUICK, "rule": FEW, **settings}
            return Gate(base=old, head=new, **given).run()


@pytest.fixture
def repository(tmp_path, monkeypatch):
    folder = tmp_path / "project"
    folder.mkdir()
    made = Repository(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return made


def only(document):
    (row,) = document["benchmarks"]
    return row


class TestFixture:
    def test_it_times_and_gives_what_the_call_gave(self, pytester):
        pytester.makepyfile("def test_it(perfkit):\n    assert perfkit(sum, [1, 2]) == 3\n")
        pytester.runpytest_subprocess("-q").assert_outcomes(passed=1)

    def test_a_second_call_in_one_test_is_refused(self, pytester):
        pytester.makepyfile("def test_it(perfkit):\n    perfkit(sum, [1])\n    perfkit(sum, [2])\n")
        found = pytester.runpytest_subprocess("-q")
        found.assert_outcomes(failed=1)
        found.stdout.fnmatch_lines(["*make it two tests*"])

    def test_a_training_step_trains_and_inference_does_not(self, pytester):
        pytester.makepyfile(
            """
            import torch
            def test_train(perfkit):
                net = torch.nn.Linear(4, 1)
                before = net.weight.clone()
                loss = perfkit.train_step(net, torch.optim.SGD(net.parameters(), 0.1), torch.nn.functional.mse_loss,
                                          torch.ones(8, 4), torch.zeros(8, 1))
                assert not torch.equal(before, net.weight) and not loss.requires_grad
            def test_serve(perfkit):
                net = torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Dropout()).train()
                out = perfkit.inference(net, torch.ones(8, 4))
                assert not net.training and out.is_inference()
            """
        )
        pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)

    def test_it_stands_beside_the_fixture_of_pytest_benchmark(self, pytester):
        pytester.makepyfile(
            "def test_it(benchmark):\n    benchmark(sum, [1])\ndef test_ours(perfkit):\n    perfkit(sum, [1])\n"
        )
        pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)

    def test_a_plain_run_shows_what_it_measured_and_writes_what_pytest_benchmark_reads(self, pytester):
        pytester.makepyfile(
            """
            import pytest
            @pytest.mark.parametrize("size", [10, 1000])
            def test_sum(perfkit, size):
                perfkit(sum, range(size))
            """
        )
        found = pytester.runpytest_subprocess("-q", "--perfkit-json", "found.json")
        found.assert_outcomes(passed=2)
        found.stdout.fnmatch_lines(
            ["*= perfkit =*", "benchmark *median *quartiles *calls", "*::test_sum[[]10[]] * ns *60 \u00d7 *"]
        )
        document = json.loads((pytester.path / "found.json").read_text())
        small, large = document["benchmarks"]
        assert (small["params"], small["param"], small["name"]) == ({"size": 10}, "10", "test_sum[10]")
        assert small["stats"]["median"] < large["stats"]["median"]
        assert small["perfkit"]["kind"] == "call"
        folder = pytester.path / ".benchmarks" / "Linux-CPython-3.11-64bit"
        folder.mkdir(parents=True)
        (pytester.path / "found.json").rename(folder / "0001_found.json")
        compared = pytester.run(sys.executable, "-m", "pytest_benchmark", "compare", "0001")
        compared.stdout.fnmatch_lines(["*test_sum[[]1000[]]*"])


@pytest.mark.slow
class TestGate:
    def test_a_commit_that_slows_one_operator_down_is_told_and_the_operator_named(self, repository):
        repository.write(
            "thing.py",
            WORK.replace("        found = found /", "        found = np.sort(found)\n        found = found /"),
        )
        repository.commit()
        document = repository.gate()
        row = only(document)
        assert row["verdict"] == "regressed"
        assert row["change"]["low"] > 0.05
        assert row["confirming_pairs"] >= 5
        assert "sort" in row["causes"][0]["name"]
        assert row["outputs"] is not None  # sorting is another answer
        assert exit_code(document, fails_open=True) == 3
        assert document["head"]["revision"] == repository.git("rev-parse", "HEAD")

    def test_a_commit_that_changes_nothing_passes(self, repository):
        repository.write("README", "other words\n")
        repository.commit()
        document = repository.gate(rule=SURE)
        # On a machine that is busy with other tests nobody can tell.
        assert only(document)["verdict"] in ("same", "inconclusive")
        assert only(document)["outputs"] is None
        assert exit_code(document, fails_open=False) == 0

    @pytest.mark.parametrize("times", [10, 11])
    def test_beside_heavy_load_it_would_rather_say_nothing_than_something_false(self, repository, times):
        repository.write("thing.py", WORK.replace("times=10", f"times={times}"))
        repository.commit()
        words = [sys.executable, "-c", "while True: pass"]
        spinning = [subprocess.Popen(words) for _ in range(2 * os.cpu_count())]
        try:
            row = only(repository.gate(rule=SURE))
        finally:
            for process in spinning:
                process.kill()
                process.wait()
        # (A change of a tenth may still be seen: the turns of both sides are slowed down alike.)
        assert row["verdict"] in ({"same", "inconclusive"} if times == 10 else {"regressed", "inconclusive"})

    def test_changes_that_were_not_committed_count_and_a_gain_is_told(self, repository):
        repository.write("thing.py", WORK.replace("times=10", "times=8"))
        document = repository.gate("HEAD")
        assert only(document)["verdict"] in ("improved", "inconclusive")
        assert -0.35 < only(document)["change"]["estimate"] < -0.08
        assert document["head"] == {"label": "the working tree", "revision": None}

    def test_what_fails_on_one_side_what_is_new_and_what_is_gone_is_said(self, repository):
        more = BENCHMARKS + "def test_old(perfkit):\n    perfkit(work, 2)\n"
        repository.write("tests/test_speed.py", more)
        repository.commit()
        broken = "from thing import work\ndef test_work(perfkit):\n    raise ValueError('no')\ndef test_new(perfkit):\n    perfkit(work, 2)\n"
        repository.write("tests/test_speed.py", broken)
        repository.commit()
        document = repository.gate()
        row = only(document)
        assert row["verdict"] == "failed"
        assert "ValueError: no" in row["why"]
        assert document["new"] == ["tests/test_speed.py::test_new"]
        assert document["gone"] == ["tests/test_speed.py::test_old"]
        assert exit_code(document, fails_open=False) == 3

    def test_benchmarks_of_pytest_benchmark_are_gated_as_they_are(self, repository):
        repository.write(
            "tests/test_speed.py",
            """
from thing import work
calls = []
def test_plain(benchmark):
    assert benchmark(work, 2).shape == (96, 96)
def test_pedantic(benchmark):
    benchmark.pedantic(work, setup=lambda: ((2,), {}), teardown=calls.append, rounds=3)
    assert len(calls) > 3
def test_unused(benchmark):
    pass
""",
        )
        repository.commit()
        repository.commit()
        told = {row["id"].rpartition("::")[2]: row for row in repository.gate()["benchmarks"]}
        assert all(told[name]["seconds"]["head"] > 0 for name in ("test_plain", "test_pedantic"))
        assert (told["test_unused"]["verdict"], told["test_unused"]["why"]) == (
            "failed",
            "head: it measured nothing: its fixture was not called",
        )

    def test_what_is_skipped_or_fails_before_the_change_is_no_failure_of_the_change(self, repository):
        before = (
            "import pytest\nfrom thing import work\ndef test_gpu(perfkit):\n    pytest.skip('no GPU')\n"
            "def test_mended(perfkit):\n    raise ValueError('no')\n"
        )
        repository.write("tests/test_speed.py", before)
        repository.commit()
        repository.write("tests/test_speed.py", before.replace("raise ValueError('no')", "perfkit(work, 2)"))
        repository.commit()
        document = repository.gate()
        told = {row["id"].rpartition("::")[2]: row for row in document["benchmarks"]}
        assert (told["test_gpu"]["verdict"], told["test_gpu"]["why"]) == ("skipped", "head: Skipped: no GPU")
        assert told["test_mended"]["verdict"] == "inconclusive"
        assert told["test_mended"]["why"].startswith("base: ValueError: no")
        assert exit_code(document, fails_open=False) == 0
        document["benchmarks"] = [told["test_gpu"]]
        assert exit_code(document, fails_open=True) == 4  # where all are skipped nothing was compared

    def test_each_side_has_an_environment_of_its_own_where_it_is_set_up(self, repository):
        repository.write("set_up.py", "import sys, pathlib\npathlib.Path('done').write_text(sys.prefix)\n")
        repository.write(
            "tests/test_speed.py",
            "import pathlib\ndef test_it(perfkit):\n    perfkit(pathlib.Path('done').read_text)\n",
        )
        repository.commit()
        repository.commit()
        with trees.sides("HEAD~1", "HEAD", setup="python set_up.py", say=lambda _line: None) as both:
            prefixes = [(side.folder / "done").read_text() for side in both]
            assert len({*prefixes, sys.prefix}) == 3
            assert [pairs.collected(side, ["tests"]) for side in both] == [["tests/test_speed.py::test_it"]] * 2
        assert not any(Path(prefix).exists() for prefix in prefixes)
        assert not (repository.folder / "done").exists()
        with pytest.raises(PerfkitError, match="exit code 1"):
            repository.gate(setup="exit 1")

    def test_when_we_are_killed_nobody_stays_stopped(self, repository, tmp_path):
        repository.commit()
        place = tmp_path / "scratch"  # nobody is left to remove it
        place.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-m", "perfkit", "bench", "tests", "--base", "HEAD~1"],
            cwd=repository.folder, stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(place)},
        )  # fmt: skip
        stopped = wait_for(lambda: [pid for pid in runs_of(repository.folder) if state(pid) == "T"])
        process.send_signal(signal.SIGKILL)
        process.wait()
        wait_for(lambda: all(state(pid) is None for pid in stopped))


def test_no_revision_no_benchmark_and_no_repository_are_said(repository, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="no revision 'nowhere' here"):
        repository.gate("nowhere")
    repository.write("tests/test_speed.py", "def test_nothing():\n    pass\n")
    repository.commit()
    with pytest.raises(UsageError, match="no benchmark is on both sides: 1 at HEAD~1, 0 at the working tree"):
        repository.gate()
    assert repository.git("worktree", "list").count("\n") == 0  # nothing is left of them
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="not a git repository"):
        repository.gate()


def operator(name, seconds, calls=1.0):
    return {"kind": "operator", "name": name, "seconds": seconds, "calls": calls}


class TestWhy:
    BASE = (operator("mm", 10.0), operator("relu", 1.0), operator("copy_", 2.0, 2.0))

    def test_what_grew_is_named_with_its_share_and_its_calls(self):
        head = [operator("mm", 10.0), operator("relu", 0.5), operator("copy_", 5.0, 5.0), operator("exp", 1.0)]
        found = why.causes([self.BASE], [head], 3.5 / 13)
        assert [each["name"] for each in found] == ["copy_", "exp"]
        assert [each["share"] for each in found] == pytest.approx([0.75, 0.25])
        assert why.told(found) == "copy_ took 75% of what was added (2 → 5 calls), exp 25% of what was added (new)"
        assert why.causes([head], [head], 0.0) == []

    def test_a_trace_on_slower_cores_does_not_make_every_operator_grow(self):
        slowed = [operator(row["name"], row["seconds"] * 1.3, row["calls"]) for row in self.BASE]
        head = [*slowed, operator("erf", 1.3 * 1.3)]
        (found,) = why.causes([self.BASE], [head], 0.1)
        assert (found["name"], found["share"]) == ("erf", pytest.approx(1.0))
        assert found["seconds"] == pytest.approx(1.3)

    def test_what_is_called_as_often_as_before_grew_only_beyond_what_traces_of_a_side_differ_by(self):
        longer = [operator("mm", 12.0), *self.BASE[1:]]
        assert why.causes([self.BASE, longer], [longer], 2 / 13) == []
        (found,) = why.causes([self.BASE, self.BASE], [longer], 2 / 13)
        assert (found["name"], found["seconds"]) == ("mm", pytest.approx(2.0))

    def test_without_a_trace_of_a_side_nothing_is_named(self):
        assert why.causes([], [self.BASE], 0.1) == []


def wait_for(condition, seconds=60):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("waited in vain")


def runs_of(folder):
    """Pids of pytest's processes that run in *folder* or in a worktree of it."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            words = Path(f"/proc/{entry}/cmdline").read_bytes().split(b"\0") if entry.isdigit() else []
            where = os.readlink(f"/proc/{entry}/cwd") if b"-pno:xdist" in words else ""
        except OSError:
            continue
        if where == str(folder) or "perfkit-bench-" in where:
            found.append(int(entry))
    return found


def state(pid):
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    found = text.rpartition(")")[2].split()[0]
    return None if found == "Z" else found
