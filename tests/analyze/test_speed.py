"""The analysis of a trace grows with it and no faster, and is done soon."""

import gzip
import importlib.util
import sys
import time
from pathlib import Path

import pytest

from perfkit.analyze.trace_view import analyze_trace
from perfkit.trace.kineto import read

ROOT = Path(__file__).parents[2]
TRACE = ROOT / "tests" / "data" / "traces" / "bert_inf_fp32_b1.json.gz"


@pytest.fixture
def generate(monkeypatch):
    """The benchmark's maker of long recordings from short ones."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    spec = importlib.util.spec_from_file_location("ingest_benchmark", ROOT / "benchmarks" / "ingest.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "ingest_benchmark", module)
    spec.loader.exec_module(module)
    return module.generate


@pytest.mark.slow
def test_a_trace_eight_times_as_long_takes_no_more_than_that(tmp_path, generate):
    size = len(gzip.decompress(TRACE.read_bytes()))
    copies = max(2, 50_000_000 // size)  # about 50 MB
    spent = {}
    for count in (copies // 8, copies):
        file = tmp_path / f"{count}.json"
        generate(TRACE, count, file)
        trace = read(file)
        analyses = [_seconds(trace) for _ in range(3)]
        spent[count] = min(analyses)
    assert spent[copies] < 2
    assert spent[copies] < 1.5 * copies / (copies // 8) * spent[copies // 8]


def _seconds(trace):
    start = time.process_time()
    assert analyze_trace(trace, step_time_s=0.009).kernels
    return time.process_time() - start
