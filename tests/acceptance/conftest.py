"""Runs scripts under the real command and hands back the card's document beside what the script itself measured."""

import json
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest

from perfkit.api import evidence, load

TIMEOUT_S = 120


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """One finished ``perfkit profile``."""

    #: The JSON document.
    document: dict
    #: One row per step of the steps table, as dictionaries, from the run directory.
    steps: list
    #: What the script wrote about itself: the last line of its output, a JSON object.
    own: dict
    exit_code: int

    def seconds(self, phase):
        """Of *phase* in the mean steady step; 0.0 where it does not occur."""
        return next((r["seconds_per_step"] for r in self.document["breakdown"] if r["name"] == phase), 0.0)

    def steady(self, per_step):
        """The part of the script's *per_step* list that the card's figures are about."""
        assert len(per_step) == len(self.steps) == self.document["steps"]["count"]
        return [own for own, step in zip(per_step, self.steps, strict=True) if step["steady"]]


def environment():
    """Ours without settings that a person may have made, one thread for torch."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PERFKIT_", "NO_COLOR"))}
    return kept | {"OMP_NUM_THREADS": "1", "PERFKIT_DEBUG": "1"}


def command(*args):
    """``perfkit profile`` with the document written to card.json of the working folder."""
    return [sys.executable, "-m", "perfkit.cli.main", "profile", "-q", "--json", "card.json", *args]


def profile(folder, text, *args, options=("--no-trace", "--no-stacks"), variables=None):
    """Run the script *text* with *args* under the command in *folder*, with *variables* in its environment."""
    (folder / "script.py").write_text(textwrap.dedent(text))
    done = subprocess.run(
        command(*options, "script.py", *args), cwd=folder, env=environment() | (variables or {}),
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    document = json.loads((Path(folder) / "card.json").read_text())
    lines = done.stdout.splitlines()
    assert lines, done.stderr
    steps = evidence(load(document["run"]["path"])).need("steps").to_dicts()
    return Profiled(document=document, steps=steps, own=json.loads(lines[-1]), exit_code=done.returncode)


@pytest.fixture(scope="module")
def profiled(tmp_path_factory):
    """``profiled(text, *args, options=...)``: a `Profiled`, in a folder of its own."""

    def run(text, *args, **settings):
        return profile(tmp_path_factory.mktemp("run"), text, *args, **settings)

    return run


@pytest.fixture
def perfkit_command():
    """``perfkit_command("script.py")``: what `command` makes of it."""
    return command


@pytest.fixture
def perfkit_environment():
    """What `environment` returns."""
    return environment()
