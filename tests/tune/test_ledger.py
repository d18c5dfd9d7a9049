import json

import pytest

from perfkit.errors import NewerSchema, RunUnreadable
from perfkit.launch.request import Request
from perfkit.runs import layout
from perfkit.tune import ledger
from perfkit.tune.ledger import Ledger
from perfkit.tune.trial import BASELINE, Trial

from .conftest import trial


@pytest.fixture
def made(tmp_path):
    folder = tmp_path / layout.TUNES / "20260101T000000Z-train-abc123"
    folder.mkdir(parents=True)
    return Ledger(path=folder, key="k")


def test_a_trial_comes_back_from_its_row_as_it_was():
    before = trial("a", 3, losses=[(32.0, 1.5), (64.0, None)], fixes=[{"name": "x", "state": "applied"}])
    assert Trial.from_row(json.loads(json.dumps(before.row()))) == before


def test_what_was_measured_is_not_measured_again(made):
    ran = []

    def runner(arm, candidate, number):
        ran.append((arm, number))
        return trial(arm, number)

    first = made.remembering(runner)
    first(BASELINE, None, 0)
    first("a", None, 0)
    again = ledger.read(made.path).remembering(runner)
    assert again("a", None, 0) == trial("a", 0)
    assert again("a", None, 1) == trial("a", 1)
    assert ran == [(BASELINE, 0), ("a", 0), ("a", 1)]


def test_it_is_on_the_disk_after_every_process(made):
    made.remembering(lambda arm, candidate, number: trial(arm, number))(BASELINE, None, 0)
    on_disk = json.loads((made.path / layout.TUNE_JSON).read_text())
    assert on_disk["finished"] is False
    assert [row["arm"] for row in on_disk["processes"]] == [BASELINE]
    assert not list(made.path.glob("*.tmp"))


def test_the_newest_interrupted_tune_of_the_same_command_is_found(made, tmp_path):
    made.write()
    assert ledger.unfinished(tmp_path, "k").path == made.path
    assert ledger.unfinished(tmp_path).path == made.path
    assert ledger.unfinished(tmp_path, "another") is None
    made.finished = True
    made.write()
    assert ledger.unfinished(tmp_path, "k") is None
    assert ledger.unfinished(tmp_path / "nowhere") is None


def test_another_text_of_the_script_is_another_tune(tmp_path):
    script = tmp_path / "train.py"
    script.write_text("print(1)\n")
    request = Request(kind="script", target=str(script), results_root=tmp_path)
    key, resume = ledger.identity(request, {"steps": None})
    assert ledger.identity(request, {"steps": None}) == (key, resume)
    assert ledger.identity(request, {"steps": 9})[0] != key
    script.write_text("print(2)\n")
    assert ledger.identity(request, {"steps": None})[0] != key
    assert resume["target"] == str(script)


def test_a_secret_in_the_command_is_not_kept(tmp_path):
    request = Request(
        kind="module", target="train", args=("--api-key", "sk-verysecretvalue123456"), results_root=tmp_path
    )
    key, resume = ledger.identity(request, {})
    assert resume is None
    assert "secret" not in key


def test_a_newer_or_damaged_ledger_is_refused(made):
    (made.path / layout.TUNE_JSON).write_text(json.dumps({"schema_version": 99}))
    with pytest.raises(NewerSchema):
        ledger.read(made.path)
    (made.path / layout.TUNE_JSON).write_text("{")
    with pytest.raises(RunUnreadable):
        ledger.read(made.path)


def test_a_screening_is_kept_and_a_ledger_from_before_there_were_any_is_read(made):
    made.screening = {"run": "r", "fixes": []}
    made.write()
    assert ledger.read(made.path).screening == {"run": "r", "fixes": []}
    raw = json.loads((made.path / layout.TUNE_JSON).read_text())
    del raw["screening"]
    (made.path / layout.TUNE_JSON).write_text(json.dumps(raw))
    assert ledger.read(made.path).screening is None


def test_what_a_round_brought_all_at_once_is_not_measured_again(made):
    made.add([trial(BASELINE, 2), trial("a", 2)])
    assert set(ledger.read(made.path).measured(2)) == {BASELINE, "a"}
    assert made.measured(1) == {}

    def runner(arm, candidate, number):
        raise AssertionError("it is known")

    assert made.remembering(runner)("a", None, 2) == trial("a", 2)
