"""`perfkit doctor`: each check tries the real thing, and what cannot be had says why."""

import json
import os
import subprocess
import sys

import pytest

from perfkit.launch import checks


def test_every_check_of_this_machine_has_words(tmp_path):
    found = checks.run_checks(tmp_path)
    assert [check.name for check in found] == [
        "python", "steps", "results", "cores", "clock", "host", "stacks", "gpu", "energy",
    ]  # fmt: skip
    assert all(check.found for check in found)
    assert list(tmp_path.iterdir()) == []


def test_a_check_that_breaks_does_not_stop_the_others(monkeypatch, tmp_path):
    monkeypatch.setattr(checks, "check_host", lambda: 1 / 0)
    found = checks.run_checks(tmp_path)
    assert len(found) == 9
    assert any("ZeroDivisionError" in check.found for check in found)


def test_an_interpreter_without_torch_says_how_to_get_it(tmp_path):
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "env")], check=True)
    found = checks.check_torch(str(tmp_path / "env"))
    assert (found.state, "pip install torch" in found.remedy) == ("no", True)


def test_a_python_that_does_not_run_is_said(tmp_path):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert checks.check_interpreter(str(broken)).state == "no"
    assert checks.check_interpreter("no-such-python").state == "no"


@pytest.mark.skipif(os.geteuid() == 0 and not os.path.exists("/usr/bin/setpriv"), reason="root may write anywhere")
def test_a_results_folder_that_cannot_be_written_is_said():
    found = checks.check_results(checks.Path("/proc/perfkit"))
    assert (found.state, found.remedy) == ("no", "use --results-dir")


def test_stacks_are_tried_on_a_real_process():
    assert checks.check_stacks().state in {"yes", "no"}
    assert checks._try_pyspy("/bin/false") is not None


def test_a_slow_clock_is_said(monkeypatch):
    monkeypatch.setattr(checks, "_clock_cost_ns", lambda: 1500.0)
    assert (checks.check_clock().state, "1500 ns" in checks.check_clock().found) == ("partly", True)


def test_the_command_prints_words_and_json(tmp_path):
    perfkit = [sys.executable, "-c", "from perfkit.cli.main import main; main()"]
    plain = subprocess.run([*perfkit, "doctor", "--results-dir", str(tmp_path)], capture_output=True, text=True)
    assert plain.returncode == 0, plain.stderr
    assert "\x1b" not in plain.stdout
    assert "next: perfkit profile" in plain.stdout
    done = subprocess.run([*perfkit, "doctor", "--json", "-"], capture_output=True, text=True, cwd=tmp_path)
    document = json.loads(done.stdout)
    assert document["schema_version"] == 1
    assert {check["name"] for check in document["checks"]} >= {"stacks", "gpu"}


def test_the_command_speaks_ascii_where_it_must(tmp_path):
    perfkit = [sys.executable, "-c", "from perfkit.cli.main import main; main()"]
    environ = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*perfkit, "doctor"], capture_output=True, cwd=tmp_path, env=environ)
    assert done.returncode == 0
    done.stdout.decode("ascii")
