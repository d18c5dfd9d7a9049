"""Ctrl-C at the worst moments of a tune, sent by the process to itself so that the moment is exact."""

import json
import os
import signal
import subprocess
import sys

import pytest

from perfkit.tune.interrupts import Interrupts, handled


def test_the_first_is_raised_and_what_comes_while_that_is_dealt_with_is_kept():
    with handled() as interrupts:
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not interrupts.kept
        signal.raise_signal(signal.SIGINT)
        assert interrupts.kept
        with pytest.raises(KeyboardInterrupt):  # somebody insists
            signal.raise_signal(signal.SIGINT)


def test_once_closed_it_is_kept_also_for_those_outside_and_the_old_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with handled() as outer:
        with handled() as inner:
            assert inner is outer
            inner.close()
        signal.raise_signal(signal.SIGINT)
        assert outer.kept
    assert signal.getsignal(signal.SIGINT) is before


def test_ignored_it_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with handled() as interrupts:
            assert isinstance(interrupts, Interrupts)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


# A tune of one round, in which SIGINT comes right after (before) the function that is named by the first argument.
DRIVE = """
import signal, sys
from perfkit.cli import show
from perfkit.cli.main import main
from perfkit.tune import ledger, plan, search, session
plan.MOST_ROUNDS, session.BASELINE_STEADY_S = 1, 0.2
PLACES = {"after the search": (search.Search, "_as_one", True), "while it settles": (search.Search, "settle", False),
          "at the ledger": (session._Session, "_document", True), "before it is shown": (show, "write_json", False)}
for place in sys.argv[1].split(","):
    owner, name, after = PLACES[place]
    def interrupted(*given, real=getattr(owner, name), after=after, **named):
        if not after: signal.raise_signal(signal.SIGINT)
        found = real(*given, **named)
        if after: signal.raise_signal(signal.SIGINT)
        return found
    setattr(owner, name, interrupted)
main(["tune", *sys.argv[2:]])
"""
TRAIN = """
import torch
model = torch.nn.Linear(8, 1); optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
for step in range(4000):
    optimizer.zero_grad(); model(torch.ones(4, 8)).square().mean().backward(); optimizer.step()
"""


@pytest.mark.slow
def test_whenever_it_comes_there_is_a_document(tmp_path):
    (tmp_path / "script.py").write_text(TRAIN)
    environ = {k: v for k, v in os.environ.items() if not k.startswith("PERFKIT_")} | {"OMP_NUM_THREADS": "1"}
    known = None
    for place, code, is_interrupted in (
        ("after the search", 130, True),
        ("after the search,at the ledger", 130, True),  # twice, as impatient people do
        ("before it is shown", 4, False),
    ):
        words = [place, "--fix", "nothing", "--steps", "16", "--json", "-", "script.py"]
        done = subprocess.run(
            [sys.executable, "-c", DRIVE, *words], cwd=tmp_path, env=environ, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=170, check=False,
        )  # fmt: skip
        assert done.returncode == code, (place, done.stderr)
        found = json.loads(done.stdout)
        assert found["interrupted"] is is_interrupted
        known = known or found["id"]
        assert found["id"] == known  # gone on with, which also makes this quick
