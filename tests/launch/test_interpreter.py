from pathlib import Path

import pytest

from perfkit.errors import CommandNotFound
from perfkit.launch.interpreter import choose


@pytest.fixture
def places(tmp_path):
    def python(name: str) -> Path:
        path = tmp_path / name / "bin" / "python"
        path.parent.mkdir(parents=True)
        path.write_text("#!/bin/sh\n")
        path.chmod(0o755)
        return path

    return python


def choice(tmp_path, *, wanted=None, tool=False, **environ):
    own = tmp_path / "own"
    own.mkdir(exist_ok=True)
    if tool:
        (own / "uv-receipt.toml").write_text("")
    environ.setdefault("PATH", str(tmp_path / "nowhere"))
    return choose(wanted, environ=environ, cwd=tmp_path, own_prefix=own, own_executable=str(own / "bin/python"))


def test_the_one_asked_for_comes_first(tmp_path, places):
    asked, active = places("asked"), places("active")
    found = choice(tmp_path, wanted=str(asked), VIRTUAL_ENV=str(active.parent.parent))
    assert (found.path, found.reason) == (str(asked), "--python")


def test_an_environments_folder_stands_for_its_python(tmp_path, places):
    asked = places("asked")
    assert choice(tmp_path, wanted=str(asked.parent.parent)).path == str(asked)


def test_then_the_active_virtual_environment_then_conda(tmp_path, places):
    active, conda = places("active"), places("conda")
    both = {"VIRTUAL_ENV": str(active.parent.parent), "CONDA_PREFIX": str(conda.parent.parent)}
    assert choice(tmp_path, **both).reason == "VIRTUAL_ENV"
    assert choice(tmp_path, CONDA_PREFIX=both["CONDA_PREFIX"]).path == str(conda)


def test_an_environment_that_is_gone_is_passed_over(tmp_path):
    assert choice(tmp_path, VIRTUAL_ENV=str(tmp_path / "deleted")).path == str(tmp_path / "own/bin/python")


def test_then_perfkits_own(tmp_path, places):
    places(".venv")
    found = choice(tmp_path)
    assert found.path == str(tmp_path / "own/bin/python")
    assert "installed in" in found.reason


def test_a_tools_private_environment_gives_way_to_dot_venv_then_path(tmp_path, places):
    on_path = places("usr")
    assert choice(tmp_path, tool=True, PATH=str(on_path.parent)).path == str(on_path)
    local = places(".venv")
    assert choice(tmp_path, tool=True, PATH=str(on_path.parent)).path == str(local)


def test_no_python_at_all_and_one_that_does_not_exist_are_usage_errors(tmp_path):
    with pytest.raises(CommandNotFound, match="--python"):
        choice(tmp_path, tool=True)
    with pytest.raises(CommandNotFound, match="no-such"):
        choice(tmp_path, wanted="no-such-python")
