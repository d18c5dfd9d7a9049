import sys
from pathlib import Path

import pytest

from perfkit.errors import CommandNotFound
from perfkit.launch.command import build, display_name, interpreter_of, typed
from perfkit.launch.interpreter import Interpreter
from perfkit.launch.request import Request

PYTHON = Interpreter(path="/env/bin/python", reason="a test")


def request(kind, target, *args, **more):
    return Request(kind=kind, target=target, args=args, results_root=Path("unused"), **more)


def test_a_script_and_a_module_run_in_the_chosen_python(tmp_path):
    script = tmp_path / "train.py"
    script.touch()
    assert build(request("script", str(script), "--lr", "1"), PYTHON) == [PYTHON.path, str(script), "--lr", "1"]
    assert build(request("module", "pkg.train", "-x"), PYTHON) == [PYTHON.path, "-m", "pkg.train", "-x"]


def test_a_program_is_looked_for_on_path_first_and_beside_the_python_second(tmp_path):
    for folder in ("path", "env"):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "torchrun"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
    python = Interpreter(path=str(tmp_path / "env/python"), reason="a test")
    environ = {"PATH": str(tmp_path / "path")}
    assert build(request("command", "torchrun"), python, environ) == [str(tmp_path / "path/torchrun")]
    asked = request("command", "torchrun", python="env")
    assert build(asked, python, environ) == [str(tmp_path / "env/torchrun")]
    assert build(request("command", "torchrun"), python, {"PATH": "/nowhere"}) == [str(tmp_path / "env/torchrun")]


def test_what_does_not_exist_is_said_with_what_to_do():
    with pytest.raises(CommandNotFound, match="-m"):
        build(request("script", "no/such.py"), PYTHON)
    with pytest.raises(CommandNotFound, match="PATH"):
        build(request("command", "no-such-program"), PYTHON, {"PATH": "/nowhere"})


def test_names_and_what_was_typed():
    assert display_name(request("script", "some/train.py")) == "train"
    assert display_name(request("module", "pkg.train")) == "pkg.train"
    assert display_name(request("command", "/usr/bin/torchrun")) == "torchrun"
    assert typed(request("module", "m", "a")) == ["-m", "m", "a"]
    assert typed(request("command", "sh", "a")) == ["--", "sh", "a"]


def test_a_commands_python_is_itself_or_its_shebangs_or_the_chosen_one(tmp_path):
    script = tmp_path / "accelerate"
    script.write_text(f"#!{sys.executable}\nimport x\n")
    assert interpreter_of([str(script)], PYTHON) == sys.executable
    assert interpreter_of(["/opt/bin/python3.12", "-c", ""], PYTHON) == "/opt/bin/python3.12"
    assert interpreter_of(["/bin/sh"], PYTHON) == PYTHON.path
