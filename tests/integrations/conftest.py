"""Runs a script of scripts/ twice, plainly and under `perfkit profile`, and hands back what both said."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parent / "scripts"
# What lies between the phases is the library's own Python (callbacks, token counts, schedulers: 2 ms of a 40 ms step under the
# Trainer), and whatever a busy machine takes away there.
MOST_OTHER = 0.15


@dataclass(frozen=True)
class Pair:
    """What the script printed about itself in either run, and perfkit's document of the second."""

    plain: dict
    result: dict
    document: dict
    card: str

    @property
    def shares(self):
        return {row["name"]: row["share"] for row in self.document["breakdown"]}

    @property
    def collectors(self):
        return {row["name"]: row for row in self.document["collectors"]}

    def check(self, *, other=MOST_OTHER):
        """What holds for every script: steps and samples as it says, shares that sum to one and leave little unnamed."""
        steps = self.document["steps"]
        assert steps["count"] == self.result["steps"]
        assert steps["samples_per_step"] == self.result["samples_per_step"]
        tokens = self.result.get("tokens_per_step")
        assert steps["tokens_per_step"] == (tokens and pytest.approx(tokens, rel=0.25))
        assert sum(self.shares.values()) == pytest.approx(1, abs=0.01)
        assert self.shares["other"] <= other
        assert not [row for row in self.document["collectors"] if row["state"] == "failed"]


def _environment(**more):
    # CUDA is hidden: the tests compare bits and must not depend on a card that happens to be there.
    quiet = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_DISABLE_TELEMETRY": "1"}
    return os.environ | quiet | more


def _run(words, folder, environment):
    folder.mkdir()
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    lines = [line for line in done.stdout.splitlines() if line.startswith("result: ")]
    assert lines, done.stdout
    return [json.loads(line.removeprefix("result: ")) for line in lines]


@pytest.fixture
def pair(tmp_path):
    """pair("script.py", "argument", …) -> Pair. *launcher*: words before the script, such as torchrun's."""

    def go(script, *arguments, launcher=(), options=(), **environment):
        environment = _environment(**environment)
        target = [str(SCRIPTS / script), *arguments]
        plain = _run([*(launcher or [sys.executable]), *target], tmp_path / "plain", environment)
        run, document, card = tmp_path / "run", tmp_path / "document.json", tmp_path / "card.txt"
        ours = [
            str(Path(sys.executable).with_name("perfkit")),
            "profile",
            "--python",
            sys.executable,
            "--results-dir",
            str(run),
        ]
        ours += ["--json", str(document), "-o", str(card), *options, *(["--", *launcher] if launcher else [])]
        profiled = _run([*ours, *target], tmp_path / "profiled", environment)
        assert plain == profiled
        return Pair(plain[0], profiled[0], json.loads(document.read_text()), card.read_text())

    return go
