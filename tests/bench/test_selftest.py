"""The rates of a self-test, and the action that runs the gate in a service."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from perfkit.bench.gate import selftest
from perfkit.cli.bench.selftest import told
from perfkit.stats.gate import Rule

ACTION = Path(__file__).parents[2] / ".github" / "actions" / "bench" / "action.yml"


def row(verdict, low, high, pairs=8):
    return {"verdict": verdict, "change": {"low": low, "high": high}, "pairs": pairs, "confirming_pairs": 0}


def test_false_alarms_have_an_upper_bound_and_power_a_lower_one():
    found = selftest._false_alarms([row("same", -0.01, 0.01)] * 58 + [row("inconclusive", -0.1, 0.1, pairs=32)])
    assert (found["rate"], found["runs"], found["inconclusive"]) == (0.0, 59, 1)
    assert found["upper95"] == pytest.approx(0.0495, abs=0.0005)  # 1 - 0.05 ** (1 / 59)
    assert found["pairs"] == pytest.approx((58 * 8 + 32) / 59)
    power = selftest._power(0.05, [row("regressed", 0.04, 0.06)] * 9 + [row("same", 0.0, 0.02)])
    assert (power["rate"], power["called_same"], power["interval_holds"]) == (0.9, 1, 0.9)
    assert power["lower95"] == pytest.approx(0.606, abs=0.001)  # Clopper and Pearson's for 9 of 10
    assert selftest._power(0.05, [row("same", 0.0, 0.02)])["lower95"] == 0.0
    lines = told({"false_alarm": found, "power": [power], "cut_short": 0})
    assert lines[0].startswith("no change: called changed in 0% of 59 (no more than 5.0%, 95 %), left open 1")
    assert lines[1].startswith("+5%: found in 90% of 10 (no less than 61%, 95 %), called the same 1")


def test_that_time_was_up_is_said():
    rows = [row("inconclusive", -0.1, 0.1, pairs=32), row("inconclusive", -0.1, 0.1, pairs=9), row("same", 0.0, 0.01)]
    assert selftest._cut_short(rows, Rule()) == 1
    found, power = selftest._false_alarms(rows), []
    *_, last = told({"false_alarm": found, "power": power, "cut_short": 1, "benchmarks": rows})
    assert last == "time was up before 1 of 3 had all their pairs: give it more --minutes"


@pytest.fixture
def step(tmp_path):
    """step(**environment) -> (exit code, words that perfkit was called with, what went to GITHUB_OUTPUT)."""
    if not ACTION.exists():
        pytest.skip("a source distribution has no action")
    script = re.search(r"run: \|\n((?: {8}.*\n?)+)", ACTION.read_text())[1]
    script = "\n".join(line.removeprefix("        ") for line in script.splitlines())
    words, output = tmp_path / "words", tmp_path / "output"
    fake = tmp_path / "bin" / "perfkit"
    fake.parent.mkdir()
    fake.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {words}\nexit "$CODE"\n')
    fake.chmod(0o755)

    def run(code=0, **environment):
        environ = {
            "PATH": f"{fake.parent}{os.pathsep}{os.environ['PATH']}", "GITHUB_OUTPUT": str(output), "CODE": str(code), "PATHS": "a b",
            "BASE": "HEAD", "SETUP": "", "MINUTES": "20", "INCONCLUSIVE": "pass", "JUNIT": "found.xml", **environment,
        }  # fmt: skip
        done = subprocess.run(
            ["bash", "-e", "-c", script],
            env=environ,
            cwd=ACTION.parents[3],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.returncode, words.read_text().splitlines(), output.read_text()

    return run


def test_the_action_hands_on_what_it_was_given_and_the_exit_code(step):
    code, words, output = step(code=3)
    assert code == 3
    assert output == "exit-code=3\n"
    assert words == [
        "bench",
        "a",
        "b",
        "--base",
        "HEAD",
        "--max-minutes",
        "20",
        "--inconclusive",
        "pass",
        "--junit",
        "found.xml",
    ]


def test_the_actions_set_up_is_one_word(step):
    code, words, _ = step(SETUP="pip install -e .")
    assert code == 0
    assert words[-2:] == ["--setup", "pip install -e ."]
