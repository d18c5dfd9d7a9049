"""Scratch folders: thrown away by who made them, and by the next where that one was killed."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from perfkit.launch.sandbox import place
from perfkit.launch.sandbox.place import Method, Place, remove_abandoned

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="who has made a folder is read from /proc")

MAKE = """
import sys
from pathlib import Path
from pathlib import Path
from perfkit.launch.sandbox.place import Method, Place
made = Place(Method(way="functions", parent=Path(sys.argv[1])), passing=(), working=())
(made.folder / "closed").mkdir(mode=0)
print(made.folder)
"""


@pytest.fixture
def parent(tmp_path, monkeypatch):
    monkeypatch.setattr(place, "_PARENTS", (str(tmp_path),))
    return tmp_path


@pytest.fixture
def abandoned(parent):
    """A folder whose maker has ended."""
    done = subprocess.run([sys.executable, "-c", MAKE, parent], capture_output=True, text=True, check=True)
    return Path(done.stdout.strip())


def test_the_folder_of_one_that_has_ended_is_thrown_away(abandoned):
    assert (abandoned / "plan.json").exists()
    remove_abandoned()
    assert not abandoned.exists()


def test_the_folder_of_one_that_lives_stays(parent):
    ours = Place(Method(way="functions", parent=parent), passing=(), working=())
    remove_abandoned()
    assert ours.temporary.is_dir()
    ours.remove()
    assert not ours.folder.exists()


@pytest.mark.parametrize(
    ("change", "stays"),
    [({"boot": "another"}, False), ({"namespace": "pid:[1]"}, True), ({"start_ticks": 1, "pid": os.getpid()}, False)],
)
def test_a_number_means_something_only_where_it_was_given(abandoned, change, stays):
    plan = json.loads((abandoned / "plan.json").read_text())
    (abandoned / "plan.json").write_text(json.dumps(plan | {"owner": plan["owner"] | change}))
    remove_abandoned()
    assert abandoned.exists() == stays


def test_what_does_not_say_whose_it_is_stays(parent):
    for name, text in (("perfkit-00000001", "{}"), ("perfkit-00000002", "half of a pl"), ("perfkit-00000003", None)):
        (parent / name).mkdir()
        if text is not None:
            (parent / name / "plan.json").write_text(text)
    remove_abandoned()
    assert len(list(parent.iterdir())) == 3
