"""Whatever the bytes are: a partial result that says so, in bounded time and memory, and nothing that a terminal would obey."""

import json
import time
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from perfkit.monitor.logs import document
from perfkit.monitor.logs.analysis import LogAnalysis
from perfkit.report import monitor_logs


def analysed(*pieces):
    analysis = LogAnalysis(on_record=lambda record: None)
    for piece in pieces:
        analysis.feed(piece)
    analysis.finish()
    made = document.compose(analysis)
    json.dumps(made, allow_nan=False)
    card = "\n".join(line.plain for line in monitor_logs.render(made, verbose=1))
    return analysis, made, card


# Pieces that the readers look for, so that random text meets their paths.
BITS = [
    "epoch", "Epoch 1/3", "loss", ": ", "=", "nan", "inf", "-", "1e999", "9" * 40, "[", "]", "{", "}", "'", '"', "\\", "\r", "\n", "\t", "\x00",
    "\x1b[31m", "\x1b]0;x\x07", "\x9b", "100%|█| 3/3 [00:01<00:00, 2it/s]", "12,288", "2026-01-02 03:04:05", "Traceback (most recent call last):",
    "  File \"a.py\", line 3", "ValueError: x", "I0102 03:04:05.6 7 a.cc:1] ", "Namespace(", "a=1", ")", "tensor(", "|", "/", "%", "ms", "step", ",",
    "epoch,loss\n", "1,2\n", "\ud800", "\u202e", "é", "0x1f", "/a/b", "Jan  2 03:04:05 ", "1767323045 ", "WARNING", "- ",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=40).map("".join))
def test_no_text_is_too_odd(text):
    analysed(text.encode("utf-8", "surrogatepass"))


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_are_too_odd(pieces):
    analysed(*pieces)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from(BITS), max_size=20).map("".join), st.integers(1, 9))
def test_it_does_not_matter_how_the_bytes_are_cut(text, size):
    data = text.encode("utf-8", "replace")
    whole = analysed(data)[1]
    cut = analysed(*(data[at : at + size] for at in range(0, len(data), size)))[1]
    assert json.dumps(whole) == json.dumps(cut)


@pytest.mark.parametrize(
    "line",
    [
        b"-" * 60_000, b"a" * 16_000, b"a." * 8_000, b"a b " * 4_000, b"1 " * 8_000, b"loss " * 3_000, b"a=" * 8_000, b"a1" * 8_000, b"((" * 8_000,
        b"[" * 16_000, b"{" * 16_000, b"{'a':" * 3_000, b"|" * 16_000, b"| a " * 4_000, b"1," * 8_000, b"9" * 16_000, b"/a" * 8_000, b"ab-" * 5_000,
        b"://" * 5_000, b"\x1b[" * 8_000, b"\x1b]" * 8_000, b"\x1bP" * 8_000, b"saving " * 2_000, b": " * 8_000, b"Warning" * 2_000, b" " * 16_000,
        b"nan " * 4_000, b"a:nan" * 3_000, b"Accuracy of the " * 1_000, b"1/" * 8_000, b"0e" * 8_000, "━".encode() * 5_000, b"[1/2]" * 3_000,
        b"f-" * 8_000, b"deadbeef1-" * 1_600, b"\x00" * 16_000, b"Epoch " * 2_700, b"=>" * 8_000, b"a:b" * 5_000, b"'a': " * 3_200,
    ],
    ids=lambda line: repr(line[:12]),
)  # fmt: skip
def test_no_line_takes_long(line):
    started = time.process_time()
    analysed(b"".join(b"%d " % n + line + b"\n" for n in range(2)))
    assert time.process_time() - started < 1.5


def test_a_line_without_an_end_is_cut_and_said(read):
    analysis = LogAnalysis()
    tracemalloc.start()
    for _ in range(80):
        analysis.feed(b"x" * 250_000)  # 20 MB
    analysis.feed(b"\nstep 1: loss 0.5\n")
    analysis.finish()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert analysis.history["loss"].tolist() == [0.5]
    assert "1 lines were cut: longer than 65536 characters" in document.compose(analysis)["notes"]
    assert peak < 10_000_000


def test_deep_json_is_refused_and_said():
    analysis, made, _ = analysed(b'{"a":' * 1000 + b"1" + b"}" * 1000 + b"\n", b'{"step": 1, "loss": 0.5}\n')
    assert analysis.history["loss"].tolist() == [0.5]
    assert any("nested deeper" in note for note in made["notes"])


def test_what_is_no_text_is_said_to_be_none():
    _, made, _ = analysed(bytes(range(256)) * 100)
    assert made["files"][0]["binary"]
    assert made["files"][0]["state"] == "partial"
    assert document.is_empty(made)


def test_a_terminal_is_given_nothing_to_obey():
    evil = b"WARNING \x1b]0;owned\x07\x1b[2J\x9b31m\xe2\x80\xae evil \x1b]52;c;QQ==\x07 loss\x1b[0m\nstep 1: lo\x1b[1mss 0.5\n"
    evil += b'{"step": 2, "lo\\u001b[31mss\\u202e": 0.5, "loss": 1.0}\n{"mode\\u009b": "\\u001b]0;x\\u0007", "n_layer": 3}\n'
    analysis, made, card = analysed(evil + b"\x1b[31mValueError: \x1b[5m blink\n")
    assert analysis.history["loss"].tolist() == [0.5, 1.0]
    for text in (card, json.dumps(made, ensure_ascii=False)):
        assert not any(character in text for character in "\x1b\x07\x9b\u202e")


def test_counters_that_no_run_reaches_are_no_steps():
    analysis, _, _ = analysed(b"step 99999999999999999999: loss 0.5\nepoch 1e300: loss 0.25\n[1e999/3] loss: 1.0\n")
    assert len(analysis.history["loss"]) >= 2
    assert analysis.last_step is None


def test_memory_stays_flat_however_many_lines_series_and_shapes(monkeypatch):
    monkeypatch.setattr("perfkit.monitor.logs.analysis.MAX_PLANS", 200)
    monkeypatch.setattr("perfkit.monitor.logs.analysis.MAX_SERIES", 100)
    analysis = LogAnalysis()
    tracemalloc.start()
    peaks = []
    for part in range(4):
        tracemalloc.reset_peak()
        for n in range(part * 150, part * 150 + 150):
            analysis.feed(
                b"step %d: loss_%d=1.0 odd%x word%d of its own q%d\nValueError%d: x\nsetting_size_%d=3\n"
                % (n, n, n, n, n, n, n)
            )
        peaks.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    assert len(analysis.series) == 100
    assert analysis.series_lost > 0
    assert len(analysis.facts.params) == 500
    assert peaks[3] - peaks[2] < 500_000
