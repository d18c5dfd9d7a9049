"""``read("text")``: the analysis of a text, finished. Records are in ``.records``."""

from datetime import UTC
from pathlib import Path

import pytest

from perfkit.monitor.logs import sources
from perfkit.monitor.logs.analysis import LogAnalysis

RECORDED = Path(__file__).resolve().parents[2] / "data" / "logs"


@pytest.fixture
def read():
    def run(text, **settings):
        records = []
        analysis = LogAnalysis(zone=UTC, on_record=records.append, **settings)
        analysis.feed(text if isinstance(text, bytes) else text.encode())
        analysis.finish()
        analysis.records = records
        return analysis

    return run


@pytest.fixture
def recorded():
    """``recorded("nanogpt.log")``: the analysis of a log that a real program printed."""

    def run(*names):
        analysis = LogAnalysis(zone=UTC)
        sources.read(analysis, [str(RECORDED / name) for name in names])
        return analysis

    return run
