"""`perfkit profile` and what follows it, run for real."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

slow = pytest.mark.slow


@slow
def test_a_training_script_gets_its_card_after_its_own_output(perfkit, train):
    shown = perfkit("profile", train)
    assert shown.returncode == 0
    own, card = shown.stdout.split("── perfkit", 1)
    assert own == "trained 80 steps\n\n"  # one empty line sets the card off
    assert shown.stderr == "" and shown.stdout.endswith("\n") and not shown.stdout.endswith("\n\n")
    assert "80 steps" in card and "samples/s" in card and "where the step goes" in card
    # Whether there is a cure depends on the neighbours: workers need a core, and the card says who keeps them.
    is_crowded = "other processes kept" in card
    assert is_crowded or ("what to change" in card and "next: perfkit explain input" in card)
    assert "next: perfkit" in card
    assert card.count("\n") <= 31


@slow
def test_json_on_stdout_is_the_last_line_and_the_card_moves_to_stderr(perfkit, train):
    shown = perfkit("profile", "--json", "-", "--no-trace", train, "4")
    lines = shown.stdout.splitlines()
    assert lines[0] == "trained 40 steps" and len(lines) == 2
    document = json.loads(lines[1])
    assert document["steps"]["count"] == 40 and document["run"]["command"][-2:] == ["train.py", "4"]
    assert "── perfkit" in shown.stderr and "── perfkit" not in shown.stdout


@slow
def test_a_run_can_be_shown_listed_exported_imported_and_removed(perfkit, train, tmp_path):
    perfkit("profile", "-q", "--no-trace", "--no-stacks", train, "4")
    again = perfkit("report", "--json", "-")
    run_id = json.loads(again.stdout)["run"]["id"]
    assert run_id in perfkit("runs", "list").stdout
    assert json.loads(perfkit("runs", "list", "--json", "-").stdout)["runs"][0]["id"] == run_id
    assert "marks.bin" in perfkit("runs", "show").stdout
    packed = perfkit("export", run_id[-6:], "--to", "bundle", "-o", "run.zip")
    assert packed.returncode == 0, packed.stderr
    taken = perfkit("import", "run.zip", "--results-dir", "there")
    assert taken.returncode == 0, taken.stderr
    there = json.loads(perfkit("report", "--results-dir", "there", "--json", "-").stdout)
    here = json.loads(again.stdout)
    assert there["steps"] == here["steps"] and there["breakdown"] == here["breakdown"]
    assert perfkit("runs", "rm", run_id).returncode == 0
    assert perfkit("runs", "list").stdout == ""


def test_the_scripts_exit_code_is_returned_and_said(perfkit, script):
    shown = perfkit("profile", script("import sys; print('hi'); sys.exit(7)"))
    assert shown.returncode == 7
    assert shown.stdout.startswith("hi\n") and "the script failed with exit code 7" in shown.stdout


def test_a_signal_becomes_128_and_its_number(perfkit, script):
    shown = perfkit("profile", script("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    assert shown.returncode == 137 and "the script was killed by SIGKILL" in shown.stdout


def test_options_after_the_script_are_the_scripts(perfkit, script):
    shown = perfkit("profile", "-q", script("import sys; print(sys.argv[1:])"), "-v", "--json", "-", "--", "x")
    assert shown.stdout == "['-v', '--json', '-', '--', 'x']\n"


def test_quiet_leaves_only_the_scripts_words(perfkit, script):
    shown = perfkit("profile", "-q", script("print('only this')"))
    assert (shown.stdout, shown.stderr) == ("only this\n", "")


def test_the_python_is_named_where_the_choice_is_not_obvious(perfkit, script, tmp_path):
    name = script("print('hi')")
    assert perfkit("profile", name).stderr == ""
    assert f"python: {sys.executable}" in perfkit("profile", "-v", name).stderr
    folder = tmp_path / "env" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    assert "python: " in perfkit("profile", "--python", str(tmp_path / "env"), name).stderr


def test_a_module_and_a_command_are_run_as_such(perfkit, script):
    script("import sys; print(__name__, sys.argv[1:])", "mod.py")
    assert perfkit("profile", "-q", "-m", "mod", "--lr", "1").stdout == "__main__ ['--lr', '1']\n"
    assert perfkit("profile", "-q", "--", "echo", "-v", "hello").stdout == "-v hello\n"


def test_the_card_and_the_document_go_where_they_are_sent(perfkit, script, tmp_path):
    shown = perfkit("profile", "--json", "out.json", "-o", "card.txt", script("print('hi')"))
    assert shown.stdout == "hi\n"
    assert json.loads((tmp_path / "out.json").read_text())["run"]["status"] == "finished"
    assert (tmp_path / "card.txt").read_text().startswith("── perfkit · script.py")


def test_a_report_that_cannot_be_written_does_not_change_the_exit_code(perfkit, script):
    shown = perfkit("profile", "--json", "no/such/folder.json", script("import sys; sys.exit(5)"))
    assert shown.returncode == 5 and "no/such/folder.json" in shown.stderr


def test_settings_come_from_the_environment_and_a_wrong_one_is_named(perfkit, script):
    shown = perfkit("profile", script("pass"), env={"PERFKIT_TRACE_STEPS": "many"})
    assert shown.returncode == 2 and "many" in shown.stderr


def test_the_projects_results_folder_is_used(perfkit, script, tmp_path):
    (tmp_path / "pyproject.toml").write_text('[tool.perfkit]\nresults = "out"\n')
    perfkit("profile", "-q", script("pass"))
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


def test_the_projects_defaults_are_used_and_flags_win(perfkit, script, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.perfkit]\ntrace_steps = 3\nno_stacks = true\n")

    def options(*flags):
        perfkit("profile", "-q", *flags, script("pass"))
        return json.loads(perfkit("report", "--json", "-").stdout)["run"]["options"]

    assert options()["trace_steps"] == 3 and options()["stacks"] is False
    assert options("--trace-steps", "4")["trace_steps"] == 4


ENDLESS = """
import time, torch
model = torch.nn.Linear(4, 4)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
while True:
    model(torch.randn(8, 4)).sum().backward()
    optimizer.step()
    time.sleep(0.01)
"""


@pytest.fixture
def job(perfkit, script, tmp_path):
    """A script that never ends, under perfkit, once it has stepped for a while."""
    name = script(ENDLESS, "endless.py")
    environ = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "perfkit.cli.main", "profile", "-q", "--no-stacks", name]
    process = subprocess.Popen(command, cwd=tmp_path, env=environ)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        marks = list(tmp_path.glob(".perfkit/runs/*/rank-00000/marks.bin"))
        if marks and marks[0].stat().st_size > 40_000:
            break
        time.sleep(0.1)
    yield process
    process.kill()
    process.wait()


@slow
def test_a_running_job_can_be_looked_at_traced_and_killed(perfkit, job, tmp_path):
    looked = perfkit("report")
    assert looked.returncode == 0 and "still running: figures up to now" in looked.stdout, looked.stderr
    refused = perfkit("runs", "rm", "latest")
    assert refused.returncode == 2 and "still running" in refused.stderr
    traced = perfkit("trace")
    assert traced.returncode == 0, traced.stderr
    assert traced.stdout.strip().endswith(".json")
    pid = json.loads(perfkit("runs", "show", "--json", "-").stdout)["pid"]
    os.kill(pid, signal.SIGKILL)
    assert job.wait(30) == 137
    ended = perfkit("report")
    assert "the script was killed by SIGKILL" in ended.stdout and "steady step" in ended.stdout
    late = perfkit("trace")
    assert late.returncode == 2 and "needs a running job" in late.stderr


@slow
def test_a_report_does_not_import_scipy(perfkit, script):
    """It costs half a second and 63 MB. The run is long enough for its memory's growth to be judged."""
    source = (
        "import time, torch\n"
        "model = torch.nn.Linear(4, 4)\n"
        "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n"
        "for _ in range(150):\n"
        "    model(torch.ones(2, 4)).sum().backward()\n"
        "    optimizer.step()\n"
        "    time.sleep(0.02)\n"
    )
    assert perfkit("profile", "-q", "--no-trace", script(source, "train.py")).returncode == 0
    shown = perfkit("report", "--json", "-", env={"PYTHONPROFILEIMPORTTIME": "1"})
    assert json.loads(shown.stdout)["memory"]["growth"] is not None
    assert "scipy" not in shown.stderr
