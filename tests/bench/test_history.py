"""A history of results: writers that are killed, indexes that are broken, series and their changes, and commits that are run again."""

import json
import math
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from perfkit.bench.gate.trees import Side
from perfkit.bench.history import confirm, document, folder, reading, series, store
from perfkit.bench.session import Plan
from perfkit.cli import main
from perfkit.errors import MissingDependency, NewerSchema, PerfkitError, UsageError
from perfkit.report import history_table
from perfkit.stats.changepoint import LEAST
from perfkit.stats.gate import Rule

pytest_plugins = ["pytester"]

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
NAME = "tests/test_speed.py::test_work"
BASE = f"{999:040x}"
MACHINE = {"cpu": "AMD EPYC", "usable_cores": 2, "memory_gib": 8}


def commit(number):
    return f"{number:040x}"


def of_pytest(number, seconds=1e-3, *, name=NAME, machine=None, plain=False, **others):
    """What pytest --perfkit-json writes of one benchmark, measured at commit *number* on that day."""
    day = (BEGAN + timedelta(days=number)).isoformat()
    found = {
        "machine_info": {"cpu": {"brand_raw": "Xeon", "count": 4}, "python_version": "3.11.7", "system": "Linux", "node": "a"},
        "commit_info": {"id": commit(number), "time": day, "branch": "main", "dirty": False, **others.get("commit", {})},
        "benchmarks": [{"fullname": name, "stats": {"median": seconds, "ops": math.inf, "data": [seconds]}}],
        "datetime": day,
        "version": "5.3.1",
    }  # fmt: skip
    if not plain:
        own = {"schema_version": 1, "fingerprint": machine or MACHINE, "software": others.get("software", {})}
        found["perfkit"] = own
    return found


def of_gate(number, estimate, *, base=BASE, **others):
    """What perfkit bench --base --json writes of one benchmark."""
    return {
        "schema_version": 1,
        "measured": (BEGAN + timedelta(days=number)).isoformat(),
        "fingerprint": MACHINE,
        "base": {"label": "v1", "revision": base},
        "head": {"label": "HEAD", "revision": commit(number)},
        "benchmarks": [{"id": NAME, "verdict": "same", "change": {"low": None, "high": None, "estimate": estimate}}],
        **others,
    }


def written(path, found):
    path.write_text(json.dumps(found))
    return path


def noisy(count, *, spread=0.01, seed=0, change_at=None, by=1.08):
    rng = np.random.default_rng(seed)
    levels = [1e-3 * (by if change_at is not None and number >= change_at else 1.0) for number in range(count)]
    return [level * math.exp(spread * rng.standard_normal()) for level in levels]


def filled(place, seconds, **others):
    """A history at *place* with a result for each of *seconds*."""
    with store.opened(str(place), make=True) as history:
        for number, value in enumerate(seconds):
            history.keep(json.dumps(of_pytest(number, value, **others)).encode(), "made", BEGAN)


def contents(place):
    """What the index has: digest by name, and log of seconds by benchmark; and it is what the files say."""
    with store.opened(str(place)) as history:
        names, values = history.index.names(), history.index.values()
        assert [note for note in history.notes if "cannot" in note or "not a result" in note] == []
    here = folder.Folder(place)
    assert {name: folder.digest_of((here.results / name).read_bytes()) for name in here.names()} == names
    told = [reading.read((here.results / name).read_bytes(), name, BEGAN) for name in here.names()]
    expected = [(value.benchmark, value.log) for result in told for value in result.values]
    assert sorted((row["benchmark"], row["log"]) for row in values) == sorted(expected)
    return {row["benchmark"]: math.exp(row["log"]) for row in values}


@pytest.fixture
def place(tmp_path):
    return tmp_path / "history"


class TestWriters:
    WRITER = """
import os, signal, sys
from pathlib import Path
from perfkit.bench.history import folder, index, store
with store.opened(sys.argv[1], make=True) as history:
    {dies}
    for file in sys.argv[2:]:
        history.add(Path(file))
        print(file, flush=True)
"""
    DIE = "lambda *_args, **_named: os.kill(os.getpid(), signal.SIGKILL)"

    def start(self, place, files, dies="pass"):
        argv = [sys.executable, "-c", self.WRITER.format(dies=dies), str(place), *map(str, files)]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def files(self, where, tag, count):
        where.mkdir(exist_ok=True)
        return [
            written(where / f"{tag}-{number}.json", of_pytest(number, 1e-6 * (1 + number), name=f"{tag}-{number}"))
            for number in range(count)
        ]

    @pytest.mark.slow
    def test_nothing_acknowledged_is_lost_when_one_of_several_writers_is_killed_at_any_moment(self, tmp_path, place):
        rng = random.Random(7)
        acknowledged, cut_short = [], 0
        for number in range(8):
            writers = [self.start(place, self.files(tmp_path / "in", f"r{number}w{writer}", 25)) for writer in range(3)]
            writers[0].stdout.readline()  # one is through: it is in the midst of them now
            time.sleep(rng.uniform(0.0, 0.25))
            writers[0].send_signal(signal.SIGKILL)
            said = [writer.communicate() for writer in writers]
            assert [writer.returncode for writer in writers[1:]] == [0, 0], said
            lines = [out.splitlines() for out, _ in said]
            cut_short += len(lines[0]) < 24
            acknowledged += [f"r{number}w0-0"]
            acknowledged += [line.rpartition("/")[2].removesuffix(".json") for each in lines for line in each]
        found = contents(place)
        assert cut_short > 0, "no writer was killed in the midst"
        assert {name: round(found[name] * 1e6) for name in acknowledged} == {
            name: 1 + int(name.rpartition("-")[2]) for name in acknowledged
        }

    @pytest.mark.parametrize(
        ("dies", "kept"),
        [
            ("os.fsync", False),  # written, not yet in its place
            ("folder._sync", True),  # in its place, the folder not yet on the disk
            ("index.Index.add", True),  # on the disk, not in the index
            ("index._confirmation_row", True),  # within the transaction
        ],
    )
    def test_a_writer_that_is_killed_between_file_and_index_leaves_both_whole(self, tmp_path, place, dies, kept):
        filled(place, [1e-3])
        confirms = {"benchmark": NAME, "machine": "m", "before": commit(1), "after": commit(2), "slower": True}
        confirms |= {"verdict": "confirmed", "ran": [commit(1), commit(2)]}
        file = written(tmp_path / "one.json", of_gate(3, 0.1, confirms=confirms))
        out, err = self.start(place, [file], f"{dies} = {self.DIE}").communicate()
        assert (out, err) == ("", "")
        contents(place)
        with store.opened(str(place)) as history:
            assert len(history.index.confirmations()) == kept
            assert history.add(file) is not kept  # the same again
            assert len(history.index.results()) == 2
        contents(place)

    def test_half_a_file_of_a_killed_writer_is_no_result_and_goes_in_time(self, place):
        filled(place, [1e-3])
        old, new = (place / "results" / f"{folder._SCRATCH}{number}" for number in (1, 2))
        for half in (old, new):
            half.write_text('{"bench')
        os.utime(old, (0, 0))
        contents(place)
        assert new.exists()
        assert not old.exists()


class TestIndex:
    def test_it_is_made_again_where_it_is_gone_or_broken(self, place):
        filled(place, noisy(5))
        before = contents(place)
        file = place / "index.sqlite"
        whole = file.read_bytes()
        middle = len(whole) // 2
        for damage in (
            None,
            b"",
            b"no database at all" * 100,
            whole[:middle],
            whole[:200] + b"\xff" * 6000 + whole[6200:],
        ):
            if damage is None:
                file.unlink()
            else:
                file.write_bytes(damage)
            assert contents(place) == before, damage and damage[:20]

    def test_what_a_newer_perfkit_made_is_refused(self, place):
        from sqlalchemy import text

        filled(place, [1e-3])
        with store.opened(str(place)) as history, history.index._transaction() as connection:
            connection.execute(text("UPDATE perfkit_about SET schema_version = 99"))
        with pytest.raises(NewerSchema, match="newer perfkit"), store.opened(str(place)):
            pass

    def test_a_file_that_was_taken_away_is_forgotten(self, place):
        filled(place, [1e-3, 2e-3])
        (first, _) = folder.Folder(place).names()
        (place / "results" / first).unlink()
        assert list(contents(place).values()) == [pytest.approx(2e-3)]

    def test_a_file_in_its_folder_that_is_no_result_is_said_and_the_others_count(self, place):
        filled(place, [1e-3])
        (place / "results" / "mine.json").write_text("[1]")
        with store.opened(str(place)) as history:
            assert "mine.json: not a result" in history.notes[0]
            assert len(history.index.results()) == 1

    def test_the_same_content_counts_once_whatever_it_is_called(self, tmp_path, place):
        found = of_gate(1, 0.02)
        del found["measured"]  # then it is of when the file was made, which differs
        first, second = written(tmp_path / "a.json", found), written(tmp_path / "b.json", found)
        os.utime(second, (0, 0))
        with store.opened(str(place), make=True) as history:
            assert [history.add(first), history.add(second), history.add(first)] == [True, False, False]
            measured = history.index.results()[0]["measured"]
        assert len(folder.Folder(place).names()) == 1
        (place / "index.sqlite").unlink()
        with store.opened(str(place)) as history:
            assert history.index.results()[0]["measured"] == measured

    def test_the_index_can_lie_in_a_database_elsewhere_and_others_put_theirs_there_too(self, tmp_path, monkeypatch):
        url = f"sqlite:///{tmp_path}/server.db"
        for number, who in enumerate(("one", "other")):
            (tmp_path / who).mkdir()
            monkeypatch.chdir(tmp_path / who)
            with store.opened(url, make=True) as history:
                history.add(written(tmp_path / who / "now.json", of_pytest(number)))
                assert len(history.index.results()) == number + 1
            assert len(list((tmp_path / who / ".perfkit-bench/results").iterdir())) == 1
            assert not (tmp_path / who / ".perfkit-bench/index.sqlite").exists()

    def test_an_address_that_is_none_and_a_missing_driver_are_said_without_the_password(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        with (
            pytest.raises(UsageError, match="not the address") as caught,
            store.opened("no-such://me:secret@host", make=True),
        ):
            pass
        assert "secret" not in str(caught.value)

    def test_without_sqlalchemy_the_line_to_install_it_is_said(self, place, monkeypatch):
        monkeypatch.delitem(sys.modules, "perfkit.bench.history.index", raising=False)
        monkeypatch.setitem(sys.modules, "sqlalchemy", None)
        with (
            pytest.raises(MissingDependency, match=r"pip install perfkit\[bench\]"),
            store.opened(str(place), make=True),
        ):
            pass

    def test_no_history_is_not_made_by_looking(self, place):
        with pytest.raises(UsageError, match="--add FILE"), store.opened(str(place)):
            pass
        assert not place.exists()


class TestReading:
    def test_a_plain_file_of_pytest_benchmark_is_known_by_its_machine(self):
        found = reading.read(json.dumps(of_pytest(3, plain=True)).encode(), "x", BEGAN)
        assert found.fingerprint == {"cpu": "Xeon", "usable_cores": 4, "python": "3.11.7", "system": "Linux"}
        assert (found.commit, found.measured) == (commit(3), BEGAN + timedelta(days=3))
        (value,) = found.values
        assert (value.benchmark, value.kind, value.log) == (NAME, "seconds", pytest.approx(math.log(1e-3)))

    def test_a_gate_gives_ratios_to_its_base(self):
        found = reading.read(json.dumps(of_gate(3, 0.25)).encode(), "x", BEGAN)
        (value,) = found.values
        assert (value.kind, value.base, value.log) == ("ratio", commit(999), pytest.approx(math.log(1.25)))
        against_nothing = reading.read(json.dumps(of_gate(3, 0.25, base=None)).encode(), "x", BEGAN)
        assert against_nothing.values == ()

    @pytest.mark.parametrize(
        ("found", "why"),
        [
            ([], "it is made by pytest"),
            ({"benchmarks": []}, "it is made by pytest"),
            ({**of_pytest(1), "benchmarks": [{"fullname": "a"}]}, r"missing required field `stats`"),
            (of_pytest(1, math.nan), "which is no time"),
            (of_pytest(1, 0.0), "which is no time"),
        ],
    )
    def test_what_is_no_result_is_refused_with_the_reason(self, found, why):
        with pytest.raises(UsageError, match=why):
            reading.read(json.dumps(found).encode(), "x.json", BEGAN)

    def test_a_newer_one_is_refused(self):
        newer = of_pytest(1)
        newer["perfkit"]["schema_version"] = 2
        for found in (newer, of_gate(1, 0.0, schema_version=2)):
            with pytest.raises(NewerSchema):
                reading.read(json.dumps(found).encode(), "x", BEGAN)

    def test_what_pytest_writes_here_is_read(self, pytester):
        pytester.makepyfile(test_it="def test_it(perfkit):\n    perfkit(sum, range(1000))\n")
        pytester.runpytest_subprocess("-q", "--perfkit-json", "found.json").assert_outcomes(passed=1)
        found = reading.read((pytester.path / "found.json").read_bytes(), "found.json", BEGAN)
        assert [value.benchmark for value in found.values] == ["test_it.py::test_it"]
        assert found.fingerprint["usable_cores"] >= 1
        assert found.commit is None


class TestSeries:
    def of(self, place):
        with store.opened(str(place)) as history:
            return document.current(history)

    def test_a_step_is_found_at_its_commit(self, place):
        filled(place, noisy(40, change_at=25))
        (found,) = self.of(place)
        (change,) = found.changes
        assert found.points[change.index].commit == commit(25)
        assert 0.06 < change.fraction < 0.10
        assert 0.005 < found.noise < 0.02

    def test_series_without_a_change_have_none(self):
        assert sum(bool(series.changes_of(np.log(noisy(60, seed=seed)))[0]) for seed in range(20)) <= 1

    def test_a_change_that_is_small_or_drowned_by_noise_is_none(self):
        small = np.log(noisy(60, spread=0.001, change_at=30, by=1.015))
        assert series.changes_of(small)[0] == []
        larger = np.log(noisy(60, spread=0.001, change_at=30, by=1.03))
        assert [change.index for change in series.changes_of(larger)[0]] == [30]
        rough = np.log(noisy(200, spread=0.05, change_at=100, by=1.07))
        assert series.changes_of(rough)[0] == []

    def test_unlike_machines_are_not_joined(self, place):
        filled(place, noisy(24))
        other = {**MACHINE, "cpu": "Xeon"}
        with store.opened(str(place)) as history:
            for number, value in enumerate(noisy(24, seed=1)):
                slower = of_pytest(24 + number, 1.5 * value, machine=other)
                history.keep(json.dumps(slower).encode(), "made", BEGAN)
        found = self.of(place)
        assert [(len(each.points), each.changes) for each in found] == [(24, ()), (24, ())]
        assert len({each.machine for each in found}) == 2

    def test_ratios_to_one_base_are_a_series_of_their_own(self, place):
        filled(place, noisy(3))
        with store.opened(str(place)) as history:
            for number in range(3):
                for base in (commit(998), commit(999)):
                    history.keep(json.dumps(of_gate(number, 0.1, base=base)).encode(), "made", BEGAN)
        found = {(each.kind, each.base): len(each.points) for each in self.of(place)}
        assert found == {("seconds", ""): 3, ("ratio", commit(998)): 3, ("ratio", commit(999)): 3}

    def test_results_of_one_commit_are_one_point_and_those_of_changed_sources_none(self, place):
        with store.opened(str(place), make=True) as history:
            for day, seconds, changed in ((1, 1.0, False), (2, 9.0, False), (3, 2.0, False), (4, 5.0, True)):
                found = of_pytest(day, seconds, commit={"id": commit(1), "time": BEGAN.isoformat(), "dirty": changed})
                history.keep(json.dumps(found).encode(), "made", BEGAN)
        (found,) = self.of(place)
        (point,) = found.points
        assert (math.exp(point.log), point.results) == (pytest.approx(2.0), 3)
        assert found.why == f"1 points; changes are looked for from {LEAST} on"

    def test_without_a_repository_each_result_is_a_point_in_the_order_of_measuring(self, place):
        with store.opened(str(place), make=True) as history:
            for number in (2, 0, 1):
                found = of_pytest(number, 1.0 + number, commit={"id": "unversioned", "time": None})
                history.keep(json.dumps(found).encode(), "made", BEGAN)
        (found,) = self.of(place)
        assert [round(math.exp(point.log)) for point in found.points] == [1, 2, 3]

    def test_what_the_repository_knows_comes_before_what_dates_say(self):
        def point(name, day):
            when = BEGAN + timedelta(days=day)
            return series.Point(commit=name, time=when, log=0.0, results=1, software={})

        points = [point("third", 1), point("elsewhere", 2), point("first", 3), point("second", 3)]
        ordered = series.in_order(points, ["first", "unmeasured", "second", "third"])
        assert [each.commit for each in ordered] == ["first", "elsewhere", "second", "third"]


@contextmanager
def no_trees(base, head, *, setup, say):
    yield tuple(Side(name=name, label=rev, revision=rev, folder=None) for name, rev in (("base", base), ("head", head)))


class TestConfirm:
    """Which commits are run and what is made of it: what the gate would measure is given here by commit."""

    def gate(self, monkeypatch, seconds_of):
        ran = []

        class Gate:
            def __init__(self, *, base, head, **_others):
                self.base, self.head = base.revision, head.revision

            def run(self):
                ran.append((int(self.base, 16), int(self.head, 16)))
                change = seconds_of(ran[-1][1]) / seconds_of(ran[-1][0]) - 1
                verdict = "regressed" if change > 0.01 else "same"
                row = {
                    "id": NAME,
                    "verdict": verdict,
                    "why": "",
                    "change": {"estimate": change, "low": change - 0.01, "high": None},
                }
                return {"base": {"label": "", "revision": self.base}, "head": {"label": "", "revision": self.head}, "benchmarks": [row]}  # fmt: skip

        monkeypatch.setattr(confirm, "Gate", Gate)
        monkeypatch.setattr(confirm.trees, "sides", no_trees)
        monkeypatch.setattr(document, "revision", lambda _folder: {"revision": commit(0)})
        return ran

    def confirmed(self, place, **settings):
        with store.opened(str(place)) as history:
            problems = document.confirm_all(history, "", confirm.How(limit_s=1.0), again=settings.get("again", False))
            made = document.compose(history, "", problems)
        return made, [change for row in made["series"] for change in row["changes"]]

    def test_a_slowdown_is_confirmed_once_and_the_verdict_outlives_the_index(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25))
        ran = self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 25))
        made, (change,) = self.confirmed(place)
        assert ran == [(24, 25)]
        assert (change["verdict"], change["ran"]) == ("confirmed", [commit(24), commit(25)])
        assert change["measured"] == {"estimate": pytest.approx(0.08), "low": pytest.approx(0.07), "high": None}
        assert document.slowed(made)
        (place / "index.sqlite").unlink()
        assert self.confirmed(place)[1] == [change]
        assert ran == [(24, 25)]

    def test_a_slowdown_that_is_accepted_stays_so_and_the_next_one_is_told(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25))
        ran = self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 25))
        made, _ = self.confirmed(place)
        assert document.slowed(made)
        with store.opened(str(place)) as history:
            for part, reason, why in (("", " ", "wants to know why"), ("other", "exact now", "nothing to accept")):
                with pytest.raises(UsageError, match=why):
                    document.accept_all(history, part, reason)
            assert document.accept_all(history, "work", "exact now") == [NAME]
        (place / "index.sqlite").unlink()
        made, (change,) = self.confirmed(place, again=True)
        assert (change["verdict"], change["why"]) == ("accepted", "exact now")
        assert made["results"] == 40
        assert change["measured"]["estimate"] == pytest.approx(0.08)
        assert document.slowed(made) == []
        assert ran == [(24, 25)]
        filled(place, [*noisy(40, change_at=25), *noisy(20, seed=1, change_at=0, by=1.3)])
        self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 25) + 0.22 * (number >= 40))
        made, changes = self.confirmed(place)
        assert [change["verdict"] for change in changes] == ["accepted", "confirmed"]
        assert document.slowed(made)

    def test_a_gain_is_run_the_other_way_round_and_is_no_slowdown(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25, by=0.8))
        ran = self.gate(monkeypatch, lambda number: 1.0 - 0.2 * (number >= 25))
        made, (change,) = self.confirmed(place)
        assert ran == [(25, 24)]
        assert change["verdict"] == "confirmed"
        assert change["measured"]["estimate"] == pytest.approx(-0.2)
        assert (change["measured"]["low"], change["measured"]["high"]) == (None, pytest.approx(1 / 1.24 - 1))
        assert document.slowed(made) == []

    def test_where_the_two_commits_are_alike_it_is_looked_for_further_out(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25))
        ran = self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 26))
        _, (change,) = self.confirmed(place)
        assert ran == [(24, 25), (22, 27)]
        assert (change["verdict"], change["ran"]) == ("confirmed", [commit(22), commit(27)])

    def test_a_machine_that_was_slow_is_no_slow_commit(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25))
        self.gate(monkeypatch, lambda _number: 1.0)
        made, (change,) = self.confirmed(place)
        assert change["verdict"] == "not confirmed"
        assert document.slowed(made) == []

    def test_what_was_said_of_a_change_still_holds_when_it_moves_by_a_commit(self, place, monkeypatch):
        filled(place, noisy(40, change_at=25))
        ran = self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 25))
        self.confirmed(place)
        with store.opened(str(place)) as history:
            (found,), said = document.current(history), history.index.confirmations()
        (change,) = found.changes
        for index, verdict in ((24, True), (27, True), (28, False), (22, False)):
            moved = series.Change(index=index, before=change.before, after=change.after)
            assert (confirm.said_of(moved, found, said) is not None) is verdict
        other_way = series.Change(index=25, before=change.after, after=change.before)
        assert confirm.said_of(other_way, found, said) is None
        assert len(ran) == 1

    def test_what_cannot_be_run_is_said_and_the_next_one_is(self, place, monkeypatch):
        for name in ("a", NAME):
            filled(place, noisy(40, change_at=25), name=name)
        self.gate(monkeypatch, lambda number: 1.0 + 0.08 * (number >= 25))
        made, changes = self.confirmed(place)
        assert [change["verdict"] for change in changes] == [None, "confirmed"]
        assert made["problems"] == [
            "a: cannot be run again: pytest finds another benchmark by that name in 000000000000 and 000000000000"
        ]


WORK = "def work():\n    sum(range({size}))\n"
TEST = "from thing import work\ndef test_work(perfkit):\n    perfkit(work)\n"
FEW = Rule(allowance=0.05, looks={5: 1.0}, margin=0.05, confirming=5)
QUICK = Plan(block_s=0.02, blocks=4)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_commit_that_slows_a_project_down_is_confirmed_by_running_it(tmp_path, monkeypatch, capsys):
    project = tmp_path / "project"
    (project / "tests").mkdir(parents=True)
    monkeypatch.chdir(project)
    who = {
        f"GIT_{role}_{what}": "somebody@example.org" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")
    }
    for name, value in who.items():
        monkeypatch.setenv(name, value)

    def git(*words):
        return subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout.strip()

    git("init", "-q")
    (project / "tests/test_speed.py").write_text(TEST)
    seconds = noisy(24, change_at=14, by=1.5)
    with store.opened(make=True) as history:
        for number, value in enumerate(seconds):
            (project / "thing.py").write_text(WORK.format(size=40_000 if number < 14 else 60_000))
            git("add", "thing.py", "tests")
            git("commit", "-q", "--allow-empty", "-m", "change")
            # all of the same second: their order is known by the repository alone
            made = {"id": git("rev-parse", "HEAD"), "time": BEGAN.isoformat()}
            found = of_pytest(23 - number, value, commit=made)
            history.keep(json.dumps(found).encode(), "made", BEGAN)
        how = confirm.How(limit_s=600.0, rule=FEW, plan=QUICK)
        assert document.confirm_all(history, "test_work", how, again=False) == []
    assert main.run(["bench", "history", "--json", "found.json"]) == 3
    told = json.loads((project / "found.json").read_text())
    (change,) = told["series"][0]["changes"]
    assert change["after"] == git("rev-parse", "HEAD~9")
    assert change["verdict"] == "confirmed"
    assert 0.2 < change["measured"]["estimate"] < 0.9
    assert "confirmed, +" in capsys.readouterr().out
    assert git("worktree", "list").count("\n") == 0


class TestCommand:
    def test_results_are_added_and_shown(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        seconds = noisy(40, change_at=25)
        files = [str(written(tmp_path / f"{number}.json", of_pytest(number, value, software={"numpy": str(number // 25)}))) for number, value in enumerate(seconds)]  # fmt: skip
        assert main.run(["bench", "history", "--add", *files, files[0]]) == 0
        shown = capsys.readouterr()
        assert shown.err.count(": added") == 40
        assert shown.err.count(": there already") == 1
        assert "test_work: +8" in shown.out
        assert "not run again yet (--confirm)" in shown.out
        assert "numpy 0 → 1" in shown.out
        assert "AMD EPYC, 2 cores, 8 GiB" in shown.out
        assert main.run(["bench", "history", "--quiet", "-k", "other", "--json", "-"]) == 0
        told = capsys.readouterr()
        assert json.loads(told.out)["series"] == []
        assert told.err == ""
        assert (tmp_path / ".perfkit-bench/.gitignore").read_text() == "*\n"

    def test_what_is_meant_wrongly_is_said(self, tmp_path, monkeypatch, capsys):
        monkeypatch.chdir(tmp_path)
        file = written(tmp_path / "no.json", {"a": 1})
        for words, why in (
            ([], "no history in .perfkit-bench yet"),
            (["no.json"], "--add FILE"),
            (["--add"], "no FILE is given"),
            (["--add", str(file)], "not a result"),
            (["--add", "nowhere.json"], "cannot be read"),
        ):
            assert main.run(["bench", "history", *words]) == 2
            assert why in capsys.readouterr().err

    def test_to_confirm_needs_the_repository(self, place, tmp_path, monkeypatch, capsys):
        filled(place, noisy(40, change_at=25))
        monkeypatch.chdir(tmp_path)
        assert main.run(["bench", "history", "--store", str(place), "--confirm"]) == 2
        assert "go into the repository" in capsys.readouterr().err

    def test_a_folder_that_cannot_be_one_is_said(self, tmp_path, capsys):
        (tmp_path / "file").write_text("")
        file = written(tmp_path / "one.json", of_pytest(1))
        assert main.run(["bench", "history", "--store", str(tmp_path / "file"), "--add", str(file)]) == 1
        assert "cannot be used as a history" in capsys.readouterr().err


class TestTable:
    def test_curves_are_flat_where_there_is_only_noise(self):
        def curve(values):
            return history_table._curve([{"value": value} for value in values])

        assert set(curve([1.0, 1.01, 0.99])) <= set("▄▅")
        assert curve([1.0, 1.0, 2.0]) == "▁▁█"
        assert curve([1.0]) == "▅"

    def test_it_says_why_nothing_can_be_said(self, place):
        filled(place, noisy(3))
        with store.opened(str(place)) as history:
            told = document.compose(history, "")
        lines = [line.plain for line in history_table.render(told, width=100, draws=False)]
        assert f"1 of 1 series are too short to look for changes ({LEAST} commits)" in lines
        assert max(map(len, lines)) <= 100


def test_a_database_that_stays_locked_is_an_error_and_is_not_made_again(place, monkeypatch):
    from perfkit.bench.history import index

    filled(place, [1e-3])
    with store.opened(str(place)) as history, history.index._transaction():
        monkeypatch.setattr(index, "BUSY_S", 0.1)
        with pytest.raises(PerfkitError, match="locked") as caught, store.opened(str(place)):
            pass
        assert not isinstance(caught.value, index.Broken)
    assert len(contents(place)) == 1
