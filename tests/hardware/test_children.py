"""Whatever happens to a measuring process, it costs the figure it came at and nothing more."""

import os
import sys

import pytest

from perfkit.hardware import children

pytestmark = pytest.mark.skipif(os.name != "posix", reason="scripts stand for Python")


@pytest.fixture
def python(tmp_path):
    """``python(lines)``: a shell script in Python's place; its third argument is the task."""

    def write(lines):
        path = tmp_path / "python"
        path.write_text(f'#!/bin/sh\necho run >> "{tmp_path}/runs"\n{lines}\n')
        path.chmod(0o755)
        return str(path)

    return write


def runs(tmp_path):
    return (tmp_path / "runs").read_text().count("run")


SAYS_A = """echo '{"begin": "a"}'; echo '{"name": "a", "value": 1.5, "spread": 0.01}'"""


def test_what_kills_the_process_is_the_reason_and_the_rest_is_measured(python, tmp_path):
    script = python(f"""
case "$3" in
*'"a"'*) {SAYS_A}; echo '{{"begin": "b"}}'; kill -11 $$ ;;
*) echo '{{"begin": "c"}}'; echo '{{"name": "c", "value": 3.0, "spread": null}}' ;;
esac""")
    found = children.gather("host", ["a", "b", "c"], seconds=0.1, python=script)
    assert (found.value("a"), found.value("b"), found.value("c")) == (1.5, None, 3.0)
    assert found.reasons == {"b": "the process that measured it was killed by SIGSEGV"}
    assert runs(tmp_path) == 2


def test_after_a_fault_of_the_device_another_process_goes_on(python, tmp_path):
    script = python(f"""
case "$3" in
*'"a"'*) echo '{{"begin": "a"}}'; echo '{{"name": "a", "unavailable": "CUDA error", "fault": true}}'; exit {children.FAULT} ;;
*) echo '{{"begin": "b"}}'; echo '{{"name": "b", "value": 2.0, "spread": 0.0}}' ;;
esac""")
    found = children.gather("host", ["a", "b"], seconds=0.1, python=script)
    assert found.reasons == {"a": "CUDA error"}
    assert found.value("b") == 2.0


def test_a_process_that_never_begins_is_asked_once(python, tmp_path):
    script = python("echo 'cannot find the loader' >&2; exit 3")
    found = children.gather("host", ["a", "b"], seconds=0.1, python=script)
    assert set(found.reasons) == {"a", "b"}
    assert "exit code 3: cannot find the loader" in found.reasons["a"]
    assert runs(tmp_path) == 1


def test_one_that_says_what_nobody_asked_for_is_not_asked_for_ever(python, tmp_path):
    found = children.gather("host", ["b"], seconds=0.1, python=python(SAYS_A))
    assert "b" in found.reasons
    assert runs(tmp_path) == 1


def test_one_that_hangs_is_stopped_and_keeps_what_it_had(python, tmp_path, monkeypatch):
    monkeypatch.setattr(children, "STARTS_S", 0.5)
    monkeypatch.setattr(children, "OVER_S", 0.0)
    script = python(f'{SAYS_A}; echo \'{{"begin": "b"}}\'; sleep 60 & wait')
    found = children.gather("host", ["a", "b", "c"], seconds=0.0, python=script)
    assert found.value("a") == 1.5
    assert "was stopped" in found.reasons["b"]
    assert "was stopped" in found.reasons["c"]
    assert runs(tmp_path) == 1


def test_torn_lines_and_strange_output_are_passed_over(python):
    script = python(f"""echo 'hello'; {SAYS_A}; printf '{{"name": "b", "val'""")
    found = children.gather("host", ["a", "b"], seconds=0.1, python=script)
    assert found.value("a") == 1.5
    assert "b" in found.reasons


def test_no_such_python_is_a_reason(tmp_path):
    found = children.gather("host", ["a"], seconds=0.1, python=str(tmp_path / "none"))
    assert "could not be started" in found.reasons["a"]


def test_perfkit_need_not_be_installed_there_and_its_settings_stay_here():
    """A bare interpreter, without site-packages' perfkit, measures the same."""
    environ = {"PATH": os.environ["PATH"], "PERFKIT_RESULTS": "/nowhere"}
    found = children.gather("host", ["interpreter_s"], seconds=0.01, python=sys.executable, environ=environ)
    assert 1e-6 < found.value("interpreter_s") < 1
    assert found.found["interpreter_s"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert "PERFKIT_RESULTS" not in children._environ(environ, 1)
