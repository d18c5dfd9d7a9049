"""How a run that a ModelMonitor records by itself is seen from outside."""

import signal
import subprocess
import sys
from pathlib import Path

from perfkit.monitor.live.standing import standing
from perfkit.runs.reader import Run

WATCHED = """
import sys
from perfkit.monitor import ModelMonitor

class Model: pass

monitor = ModelMonitor(Model(), quiet=True, results_dir=sys.argv[1])
with monitor.epoch(0):
    monitor.step(0.5)
    print(monitor.run, flush=True)
    sys.stdin.read()
"""


def test_it_is_running_while_its_process_lives_and_lost_when_that_was_killed(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-c", WATCHED, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with process:
        run = Run(Path(process.stdout.readline().strip()))
        alive = standing(run)
        process.send_signal(signal.SIGKILL)
    assert (alive.state, alive.note) == ("running", "")
    dead = standing(run)
    assert dead.state == "lost"
    assert dead.over
