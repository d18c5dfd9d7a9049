"""Projections agree with what was measured on an H100. Skipped where the traces are not."""

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import projection  # noqa: E402

TRACES = ROOT.parent / "shared" / "traces" / "h100"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (TRACES / "measured.json").exists(), reason="the recorded H100 traces are not here"),
]


def test_the_measured_steps_lie_inside_and_the_device_s_time_is_near():
    known = {name: projection.load(TRACES, name) for name in sorted({pair.origin for pair in projection.PAIRS})}
    totals = projection.judge_all(known, json.loads((TRACES / "measured.json").read_text()))["totals"]
    assert totals["inside"] >= 0.8 * totals["pairs"]
    assert totals["median_device_error"] <= 0.10
    assert totals["better_than_every_naive_answer"] >= 0.9 * totals["pairs"]
