import json
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from perfkit.runs.reader import Run

DRIVE = Path(__file__).with_name("drive.py")


class Supervised:
    """A script run under supervision in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "results"
        self.outcome_file = folder / "outcome.json"

    def write(self, source: str, name: str = "script.py") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(source))
        return path

    def argv(self, *words: str, stacks: bool = False, trace: bool = True, python: str = sys.executable) -> list[str]:
        flags = [*([] if stacks else ["--no-stacks"]), *([] if trace else ["--no-trace"])]
        return [python, str(DRIVE), str(self.outcome_file), str(self.root), *flags, *words]

    def start(self, source: str, *args: str, stacks: bool = False, **popen) -> subprocess.Popen:
        script = self.write(source)
        popen.setdefault("cwd", self.folder)
        return subprocess.Popen(self.argv("script", str(script), *args, stacks=stacks), **popen)

    def run(
        self, source: str, *args: str, stacks: bool = False, trace: bool = True, **popen
    ) -> subprocess.CompletedProcess:
        return self.run_words("script", str(self.write(source)), *args, stacks=stacks, trace=trace, **popen)

    def run_words(self, *words: str, stacks: bool = False, trace: bool = True, **popen) -> subprocess.CompletedProcess:
        popen.setdefault("cwd", self.folder)
        argv = self.argv(*words, stacks=stacks, trace=trace)
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False, **popen)

    @property
    def recorded(self) -> Run:
        """The one run there is."""
        (path,) = (self.root / "runs").iterdir()
        return Run(path)

    @property
    def outcome(self) -> dict:
        return json.loads(self.outcome_file.read_text())

    def collector(self, name: str):
        (found,) = [c for c in self.recorded.info.collectors if c.name == name]
        return found


@pytest.fixture
def supervised(tmp_path):
    return Supervised(tmp_path)


@pytest.fixture
def wait_for():
    def wait(condition, seconds: float = 15.0):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.01)
        raise AssertionError("waited in vain")

    return wait


@pytest.fixture
def lives():
    def check(pid: int) -> bool:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"

    return check
