"""Ctrl-C at the worst moments of a tune, sent by the process to itself so that the moment is exact."""

import json
import signal

import pytest

from perfkit.cli import main, show
from perfkit.tune import plan, search, session
from perfkit.tune.interrupts import Interrupts, handled


@pytest.fixture(autouse=True)
def _as_in_a_terminal():
    """A shell starts what runs in its background with SIGINT ignored; here it is as where a person can press Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


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


# Steps without a framework, whose import would take longer than all else here.
TRAIN = """
import sys, time
import perfkit
for step in range(4000):
    time.sleep(float(sys.argv[2]))
    perfkit.step()
"""
WORDS = ["tune", "--sweep", "--pause=0.003", "--steps", "16", "--json", "-", "script.py", "--pause", "0.0029"]
# Where SIGINT comes: the function, and whether right after it or right before it.
PLACES = {
    "after the search": (search.Search, "_as_one", True),
    "before it settles": (search.Search, "settle", False),
    "with the document": (session._Session, "_document", True),
    "before it is shown": (show, "write_json", False),
}


@pytest.fixture
def tuned(tmp_path, monkeypatch, capsys):
    """tuned(*places) -> (exit code, the document), of a tune of one round that goes on with the one before."""
    (tmp_path / "script.py").write_text(TRAIN)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("PERFKIT_RESULTS_DIR", raising=False)
    monkeypatch.setattr(plan, "MOST_ROUNDS", 1)
    monkeypatch.setattr(session, "BASELINE_STEADY_S", 0.1)

    def go(*places):
        came = []

        def interrupted(place, real, after):
            def function(*given, **named):
                first = place not in came
                if first and not after:
                    comes(place)
                found = real(*given, **named)
                if first and after:
                    comes(place)
                return found

            return function

        def comes(place):
            came.append(place)
            signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patched:
            for place in places:
                owner, name, after = PLACES[place]
                patched.setattr(owner, name, interrupted(place, getattr(owner, name), after))
            code = main.run(WORDS)
        assert came == list(places)
        return code, json.loads(capsys.readouterr().out)

    return go


@pytest.mark.slow
def test_whenever_it_comes_there_is_a_document(tuned):
    code, found = tuned("after the search")
    assert (code, found["interrupted"]) == (130, True)
    known = found["id"]
    for places, expected in (
        # Twice, as impatient people do.
        (("after the search", "before it settles"), (130, True)),
        (("after the search", "with the document"), (130, True)),
        (("before it is shown",), (4, False)),
    ):
        code, found = tuned(*places)
        assert (code, found["interrupted"]) == expected, places
        assert found["id"] == known  # gone on with, which also makes this quick
        assert found["trials"][0]["processes"] == 1
