"""Bytes to lines, however they are cut."""

import pytest

from perfkit.monitor.logs.lines import MAX_LINE, Lines


def lines_of(data, size):
    lines = Lines()
    found = [line for at in range(0, len(data), size) for line in lines.feed(data[at : at + size])]
    return found + lines.close()


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a\nb\n", ["a", "b"]),
        (b"a\nb", ["a", "b"]),
        (b"a\r\nb\r\n", ["a", "b"]),
        (b"10%\r20%\r30%\n", ["10%\r", "20%\r", "30%"]),
        (b"\r10%\r20%\ndone\n", ["10%\r", "20%", "done"]),
        ("Zeit: 3 µs\n".encode(), ["Zeit: 3 µs"]),
        (b"bad \xff\xfe byte\n", ["bad \ufffd\ufffd byte"]),
        (b"", []),
        (b"\n\n", ["", ""]),
    ],
)
@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_are_the_same_however_the_bytes_are_cut(data, expected, size):
    assert lines_of(data, size) == expected


def test_a_byte_order_mark_says_what_the_encoding_is():
    assert lines_of(b"\xff\xfe" + "loss: 1\nloss: 2\n".encode("utf-16-le"), 3) == ["loss: 1", "loss: 2"]
    assert lines_of("\ufeffloss: 1\n".encode(), 2) == ["loss: 1"]


def test_bytes_that_are_no_text_are_counted():
    lines = Lines()
    lines.feed(b"a\xffb\xff\n")
    assert lines.undecodable == 2


def test_of_a_line_without_an_end_only_the_beginning_is_kept():
    lines = Lines()
    for _ in range(100):
        assert lines.feed(b"x" * 10_000) == []
    assert lines.feed(b"y\nnext\n") == ["x" * MAX_LINE, "next"]
    assert lines.cut_lines == 1
    assert lines.cut_characters == 100 * 10_000 + 1 - MAX_LINE


def test_a_progress_bar_is_handed_out_as_it_is_drawn():
    lines = Lines()
    assert lines.feed(b"1%\r") == []
    assert lines.feed(b"2%\r3") == ["1%\r", "2%\r"]
    assert lines.feed(b"%\n") == ["3%"]
