"""The benchmarks of tune: what they time, how they count, and that losses stay in."""

import itertools
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import tune_power  # noqa: E402
import tune_public  # noqa: E402
from zoo import progress, public, running  # noqa: E402

from perfkit.launch.fixes import parse  # noqa: E402


def run(verdict, low=-0.01, high=0.01):
    return {"verdict": verdict, "measured": {"low": low, "high": high}, "seconds": 60, "processes": 4}


def row(speedup, kept=("threads",), check=1.1, **others):
    whole = None if check is None else check - 0.1
    return {
        "speedup": speedup,
        "kept": list(kept),
        "checked_speedup": check,
        "speedup_from_start": whole,
        "trials": [{"verdict": "drop"}],
        **others,
    }


def test_what_is_timed_is_the_same_lines_of_all_runs_the_first_left_out():
    slow, fast = [10.0, 11.0, 12.0, 13.0, 14.0], [5.0, 5.5, 6.0, 6.5, 7.0, 7.5, 8.0]
    assert progress.spans([slow, fast]) == [3.0, 1.5]
    assert progress.from_start([slow, fast]) == [14.0, 7.0]
    with pytest.raises(running.ScriptFailedError, match="3 times"):
        progress.spans([slow, fast[:3]])


def test_lines_are_timed_as_they_come_and_a_script_that_goes_on_is_ended(tmp_path):
    code = "import itertools, time\nfor i in itertools.count(): print('step', i); print('else'); time.sleep(0.05)"
    found = progress.arrivals([sys.executable, "-c", code], re.compile("^step"), tmp_path, {}, limit_s=1.0, cores=1)
    assert 2 <= len(found) <= 40
    assert all(earlier <= later for earlier, later in itertools.pairwise(found))
    assert (
        found[-1] - found[0] >= 0.04 * (len(found) - 1) - 0.2
    )  # a reader that had to wait for a core reads some of them late


def test_one_that_tells_seldom_is_waited_for(tmp_path):
    code = "import itertools, time\nfor i in itertools.count(): print('step', i); time.sleep(0.4)"
    found = progress.arrivals([sys.executable, "-c", code], re.compile("^step"), tmp_path, {}, limit_s=0.6, cores=1)
    assert len(found) >= progress.LEAST_LINES


def test_a_script_that_fails_says_how(tmp_path):
    code = "print('step 1'); raise ValueError('no data')"
    with pytest.raises(running.ScriptFailedError, match="no data"):
        progress.arrivals([sys.executable, "-c", code], re.compile("step"), tmp_path, {}, limit_s=30.0, cores=1)


def test_nothing_kept_counts_as_one_and_what_failed_is_named():
    known = {"a": row(1.5, check=1.4), "b": row(1.0, kept=(), check=1.0), "c": row(1.2, check=0.9), "d": {"failed": "x"},
             "e": row(1.3, check=None)}  # fmt: skip
    found = tune_public.totals(known)
    assert (found["median_speedup"], found["median_checked_speedup"]) == (1.25, 1.0)
    assert (found["failed"], found["not_checked"], found["nothing_kept"]) == (["d"], ["e"], ["b"])
    assert found["median_speedup_from_start"] == pytest.approx(0.9)
    assert (found["slower_by_the_check"], found["reached"], found["trials"]) == ({"c": 0.9}, False, 4)


def test_a_fix_is_typed_as_the_command_line_reads_it():
    for fix in (
        {"name": "loader-workers", "parameters": {"num_workers": 2, "persistent_workers": True}},
        {"name": "autocast", "parameters": {"device": "cpu", "dtype": "bfloat16"}},
        {"name": "channels-last", "parameters": {}},
    ):
        read = parse(tune_public.typed(fix))
        assert (read.name, read.parameters) == (fix["name"], fix["parameters"])


def test_every_script_has_a_name_of_its_own_and_data_that_can_be_made():
    assert len({script.name for script in tune_public.SCRIPTS}) == len(tune_public.SCRIPTS) >= 10
    assert {script.prepare for script in tune_public.SCRIPTS} <= {"", *public.PREPARE}
    assert [re.compile(script.progress) for script in tune_public.SCRIPTS]


def test_a_copy_is_as_it_was(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "train.py").write_text("print('hi')")
    script = public.Script(name="one", folder="there", script="train.py")
    path = public.copied(script, tmp_path, tmp_path / "copy")
    assert path.read_text() == "print('hi')"
    assert [each.name for each in path.parent.iterdir()] == ["train.py"]


def test_rates_have_exact_bounds():
    runs = {"aa": [run("drop")] * 40, "planted": [run("keep", 0.03, 0.07)] * 38 + [run("inconclusive", 0.06, None)] * 2}
    found = tune_power.totals(runs, {"median": 0.05})
    assert found["false_alarm"] == {"rate": 0.0, "upper95": pytest.approx(1 - 0.05 ** (1 / 40)), "runs": 40}
    assert (found["power"]["rate"], found["power"]["runs"]) == (0.95, 40)
    assert 0.83 < found["power"]["lower95"] < 0.86
    assert found["interval_holds_the_truth"] == {"aa": 1.0, "planted": 0.95}
    assert found["reached"] == {"never kept": True, "kept >= 90 %": True}


def test_without_runs_nothing_is_claimed():
    found = tune_power.totals({"aa": [], "planted": []}, {"median": 0.05})
    assert (found["false_alarm"]["upper95"], found["power"]["lower95"]) == (1.0, 0.0)
    assert not found["reached"]["kept >= 90 %"]
