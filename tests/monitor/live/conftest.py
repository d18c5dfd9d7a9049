"""Runs scripts under `perfkit monitor run`, in processes of their own."""

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from perfkit.errors import PerfkitError
from perfkit.monitor import record
from perfkit.monitor.live.standing import standing
from perfkit.runs.reader import Run

# Steps without a framework: a process that starts in a tenth of a second.
STEPS = """
import os, sys, time
import perfkit
def steps(count, seconds=0.01):
    for _ in range(count):
        time.sleep(seconds)
        perfkit.step()
"""


class Monitored:
    """One script under the monitor, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "results"
        self.started: list[subprocess.Popen] = []

    def argv(self, source: str, *options: str, args=(), prelude: str = STEPS) -> list[str]:
        script = self.folder / "script.py"
        script.write_text(prelude + textwrap.dedent(source))
        words = ["monitor", "run", "--results-dir", str(self.root), *options, str(script), *args]
        return [sys.executable, "-m", "perfkit.cli.main", *words]

    @property
    def environ(self) -> dict[str, str]:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("PERFKIT_")}
        return {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}

    def run(self, source: str, *options: str, **more) -> subprocess.CompletedProcess:
        argv = self.argv(source, *options, args=more.pop("args", ()), prelude=more.pop("prelude", STEPS))
        return subprocess.run(
            argv, cwd=self.folder, env=self.environ, capture_output=True, text=True, timeout=120, check=False, **more
        )

    def start(self, source: str, *options: str, **more) -> subprocess.Popen:
        process = subprocess.Popen(self.argv(source, *options), cwd=self.folder, env=self.environ, text=True, **more)
        self.started.append(process)
        return process

    @property
    def recorded(self) -> Run:
        (path,) = (self.root / "runs").iterdir()
        return Run(path)

    @property
    def record(self) -> record.Recorded:
        return record.read(self.recorded.path)

    @property
    def standing(self):
        return standing(self.recorded)

    def alerts(self, state: str = "firing") -> list[str]:
        return [alert.rule for alert in self.record.alerts if alert.state == state]

    def wait_for(self, condition, seconds: float = 20.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                if found := condition():
                    return found
            except (ValueError, OSError, KeyError, PerfkitError):  # there is no run yet, or not the whole of it
                pass
            time.sleep(0.02)
        raise AssertionError("waited in vain")

    def wait_for_steps(self, count: int) -> None:
        self.wait_for(lambda: (self.standing.step or 0) >= count)


@pytest.fixture
def monitored(tmp_path):
    made = Monitored(tmp_path)
    yield made
    for process in made.started:
        if process.poll() is None:
            process.kill()
            process.wait()
