import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest

# The embedding is one kernel on few elements: cheap. The sleep is what a patch cannot take away, the float64 product is what
# it can.
DOUBLE = """
import sys, torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Linear(700, 700), torch.nn.ReLU(), torch.nn.Linear(700, 1)).double()
optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
data = torch.randn(64, 700, dtype=torch.float64)
for step in range(int(sys.argv[1]) if len(sys.argv) > 1 else 4000):
    loss = model(data).square().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
torch.save(model.state_dict(), "model.pt")
"""


def tree(folder):
    """Every file below *folder* but perfkit's own, with its content's digest."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and ".perfkit" not in path.parts
    }


def test_what_cannot_be_meant_is_one_line(perfkit, train):
    for words, said in (
        (["tune"], "nothing to tune"),
        (["tune", "--fix", "autocst", train], "autocast"),
        (["tune", "--sweep", "--batch", train], "--sweep"),
        (["tune", "--resume"], "no interrupted tune"),
        (["tune", "--resume", train], "--resume takes no script"),
        (["tune", "--step-on", "nothing", train], "MODULE:FUNCTION"),
        (["tune", "missing.py"], "missing.py"),
    ):
        done = perfkit(*words)
        assert done.returncode == 2, words
        assert done.stdout == ""
        assert said in done.stderr.strip().splitlines()[-1]
        assert "Traceback" not in done.stderr


def test_the_fixes_there_are_can_be_listed(perfkit):
    done = perfkit("tune", "--fix", "help")
    assert done.returncode == 0
    assert "loader-workers" in done.stdout
    assert "autocast" in done.stdout


@pytest.mark.slow
def test_a_script_is_tuned_and_left_as_it_was(perfkit, script, tmp_path):
    script(DOUBLE)
    before = tree(tmp_path)
    done = perfkit(
        "tune", "--fix", "float32", "--fix", "loader-workers", "--steps", "24", "--max-minutes", "0.6", "--json", "tune.json",
        "script.py",
    )  # fmt: skip
    assert done.returncode in (0, 4), done.stderr
    (tmp_path / "tune.json").replace(tmp_path / ".perfkit" / "moved.json")
    assert tree(tmp_path) == before
    found = json.loads((tmp_path / ".perfkit" / "moved.json").read_text())
    by_name = {trial["fix"]["name"]: trial for trial in found["trials"]}
    workers = by_name["loader-workers"]
    assert (workers["verdict"], workers["measured"], workers["processes"]) == ("not-applicable", None, 0)
    assert workers["reason"]
    double = by_name["float32"]
    assert double["processes"] >= 1
    assert double["measured"] is not None
    assert double["loss"]["state"] in ("same", "within")
    assert "float32" in done.stdout
    assert "about" in done.stderr  # the time needed, before it is spent
    assert done.stderr.index("at most 0.6 min") < done.stderr.index("round 1")
    # The runs of a tune are no runs of the person's own.
    assert perfkit("runs", "list").stdout == ""


@pytest.mark.slow
def test_a_script_without_steps_cannot_be_tuned(perfkit, script):
    script("import torch\nprint(torch.ones(3).sum())\n")
    done = perfkit("tune", "script.py")
    assert done.returncode == 1
    assert "cannot be tuned" in done.stderr


@pytest.mark.slow
def test_a_script_that_breaks_says_how(perfkit, script):
    script("import torch\nraise ValueError('no data')\n")
    done = perfkit("tune", "script.py")
    assert done.returncode == 1
    assert "no data" in done.stderr.splitlines()[-1]


@pytest.mark.slow
def test_what_ctrl_c_left_is_gone_on_with(perfkit, script, tmp_path):
    script(DOUBLE)
    words = ["tune", "--fix", "nothing", "--steps", "16", "--max-minutes", "4", "--json", "-", "script.py"]
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
    running = subprocess.Popen(
        [sys.executable, "-m", "perfkit.cli.main", *words], cwd=tmp_path, env=environ, text=True, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip
    said = []
    deadline = time.monotonic() + 150
    while time.monotonic() < deadline and "round 1  nothing" not in "".join(said):
        line = running.stderr.readline()
        assert line, "".join(said)  # it has ended too early
        said.append(line)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 130, "".join(said) + err
    first = json.loads(out.strip().splitlines()[-1])
    assert first["interrupted"] is True
    assert first["trials"][0]["processes"] >= 1
    assert "perfkit tune --resume" in err

    done = perfkit("tune", "--resume", "--max-minutes", "0.3", "--json", "-", stdin=subprocess.DEVNULL)
    assert done.returncode in (0, 4), done.stderr
    second = json.loads(done.stdout.strip().splitlines()[-1])
    assert second["id"] == first["id"]
    assert second["interrupted"] is False
    assert second["trials"][0]["processes"] >= first["trials"][0]["processes"]
    assert second["trials"][0]["verdict"] != "keep"
    assert "running the unchanged script" not in done.stderr
    assert "round 1 " not in done.stderr  # measured before, and not again
