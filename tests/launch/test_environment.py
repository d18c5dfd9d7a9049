import os
from pathlib import Path
from urllib.parse import unquote

from perfkit.launch.environment import GUEST_PATH, child_environment, encode_options


def test_the_guest_comes_before_what_was_on_pythonpath():
    made = child_environment({"PYTHONPATH": "a:b", "X": "1"}, Path("run"), {}, 7)
    assert made["PYTHONPATH"] == f"{GUEST_PATH}{os.pathsep}a:b"
    assert made["PERFKIT_GUEST_RUN"] == str(Path("run").absolute())
    assert made["X"] == "1"
    assert child_environment({}, Path("run"), {}, 7)["PYTHONPATH"] == str(GUEST_PATH)


def test_the_guests_folder_holds_sitecustomize_alone():
    names = [path.name for path in GUEST_PATH.iterdir() if path.name != "__pycache__"]
    assert names == ["sitecustomize.py"]


def test_kineto_is_quiet_and_cupti_let_go_unless_the_user_has_said_otherwise():
    made = child_environment({}, Path("run"), {}, 7)
    assert (made["KINETO_LOG_LEVEL"], made["TEARDOWN_CUPTI"]) == ("99", "1")
    theirs = child_environment({"KINETO_LOG_LEVEL": "0", "TEARDOWN_CUPTI": "0"}, Path("run"), {}, 7)
    assert (theirs["KINETO_LOG_LEVEL"], theirs["TEARDOWN_CUPTI"]) == ("0", "0")


def test_options_survive_their_own_separators():
    text = encode_options({"step_on": "a;b=c%d", "no_trace": True, "steps": 3, "seconds": 1.5, "trace_at": None})
    pairs = dict(pair.split("=", 1) for pair in text.split(";"))
    assert {key: unquote(value) for key, value in pairs.items()} == {
        "step_on": "a;b=c%d",
        "no_trace": "1",
        "steps": "3",
        "seconds": "1.5",
    }
