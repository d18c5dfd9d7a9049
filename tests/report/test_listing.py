"""The list of runs on terminals of every width."""

import io
import re

import pytest

from perfkit.report import listing
from perfkit.runs.store import Store


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


@pytest.mark.parametrize(("columns", "whole"), [(60, False), (80, True), (100, True)])
def test_an_id_gives_way_to_the_command_where_both_do_not_fit(make_run, monkeypatch, columns, whole):
    run = make_run()
    monkeypatch.setenv("COLUMNS", str(columns))
    stream = Terminal()
    listing.show(Store(run.path.parents[1]).entries(), stream, color=False)
    (line,) = re.sub(r"\x1b\[[0-9;]*m", "", stream.getvalue()).splitlines()
    assert (run.path.name in line) is whole and "abc123" in line
    assert len(line) <= columns and "train.py --epochs" in line
