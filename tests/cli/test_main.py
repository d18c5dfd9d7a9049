"""The group: instant help, errors on one line, completion."""

import resource
import subprocess
import sys

import pytest

from perfkit import __version__
from perfkit.cli.main import VERBS


def test_help_names_every_verb_and_imports_none(perfkit):
    shown = perfkit("--help")
    assert shown.returncode == 0
    assert all(f"  {verb} " in shown.stdout for verb in VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(perfkit, verb):
    shown = perfkit(verb, "--help")
    assert shown.returncode == 0 and "Usage: perfkit" in shown.stdout, shown.stderr


def test_help_takes_little_more_than_a_command_line_parser():
    """Processor time of the better of several, in turn: a busy machine slows both."""
    help_s, bare_s = [], []
    for _ in range(4):
        help_s.append(processor_seconds("-m", "perfkit.cli.main", "--help"))
        bare_s.append(processor_seconds("-c", "import click, dataclasses, pathlib, typing, json"))
    assert min(help_s) < 2 * min(bare_s)


def processor_seconds(*words):
    """What a Python process used, waited for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *words], check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_help_imports_nothing_heavy():
    code = "import sys; from perfkit.cli.main import run; run(['--help']); print(sorted(sys.modules))"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = shown.stdout.splitlines()[-1]
    for name in ("rich", "numpy", "polars", "torch", "psutil", "msgspec", "scipy"):
        assert f"'{name}'" not in loaded


def test_version(perfkit):
    assert perfkit("--version").stdout == f"perfkit {__version__}\n"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["frobnicate"], "no command 'frobnicate'"),
        (["reprot"], "did you mean report?"),
        (["train.py"], "perfkit profile train.py"),
        (["report", "--bogus"], "--bogus"),
        (["report", "nothing"], "no run 'nothing'"),
        (["profile"], "nothing to profile"),
        (["profile", "missing.py"], "missing.py"),
        (["profile", "--trace-at", "soon", "x.py"], "--trace-at"),
        (["profile", "--step-on", "nonsense", "x.py"], "MODULE:FUNCTION"),
        (["explain", "speed"], "no rule 'speed'"),
        (["runs", "prune"], "--keep"),
    ],
)
def test_a_mistake_is_one_line_on_stderr(perfkit, args, said):
    shown = perfkit(*args)
    assert shown.returncode in (1, 2) and shown.stdout == ""
    lines = shown.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("perfkit: ") and said in lines[0]


def test_usage_errors_exit_with_2_and_missing_runs_with_1(perfkit):
    assert perfkit("report", "--bogus").returncode == 2
    assert perfkit("report").returncode == 1


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_command(perfkit, shell):
    shown = perfkit("completion", shell)
    assert shown.returncode == 0 and "_PERFKIT_COMPLETE" in shown.stdout


def test_completion_completes_verbs(perfkit):
    env = {"_PERFKIT_COMPLETE": "bash_complete", "COMP_WORDS": "perfkit re", "COMP_CWORD": "1"}
    assert "report" in perfkit(env=env).stdout


def test_a_reader_that_goes_away_is_no_error(perfkit, tmp_path):
    command = f"{sys.executable} -m perfkit.cli.main explain input | head -1"
    shown = subprocess.run(command, shell=True, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert "rror" not in shown.stderr and shown.stdout.count("\n") == 1


def test_a_manual_is_printed_without_markup(perfkit):
    shown = perfkit("explain", "input")
    assert "``" not in shown.stdout and "- no workers: batches" in shown.stdout
    assert shown.stderr == "next: perfkit report\n" and not shown.stdout.endswith("\n\n")


def test_notes_come_after_the_result_where_both_go_to_one_place(perfkit, script, tmp_path):
    perfkit("profile", "-q", "--no-stacks", script("pass"))
    command = [sys.executable, "-m", "perfkit.cli.main", "runs", "list"]
    shown = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=tmp_path, check=True
    )
    run, note = shown.stdout.splitlines()
    assert "script.py" in run and note.startswith("next: perfkit report")
