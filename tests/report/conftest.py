"""Literal recordings: runs made by the recorder itself, with steps of chosen phases on an invented clock."""

import itertools
import json
from array import array

import pytest

from perfkit.model import marks as m
from perfkit.model.records import Collector, RunInfo
from perfkit.runs import layout
from perfkit.runs.reader import Run, write_info
from perfkit.runs.recorder import Recorder

MS = 1_000_000
START_NS = 1_000_000_000


@pytest.fixture(autouse=True)
def raise_faults(monkeypatch):
    """A fault in an analysis fails the test instead of becoming a reason."""
    monkeypatch.setenv("PERFKIT_DEBUG", "1")


def record_steps(path, *, rank=0, steps=60, data_ms=6.0, forward_ms=1.5, backward_ms=2.0, optimizer_ms=0.5, end=True):
    """Training steps of exactly these phases, by a rank of the run at *path*."""
    recorder = Recorder(str(path))
    recorder.claim(rank)
    facts = (
        {"fact": "loader", "id": 0, "class": "DataLoader", "num_workers": 0, "batch_size": 32, "length": 100,
         "persistent_workers": False, "iterable": False},
        {"fact": "model", "id": 0, "class": "Net", "parameters": 1000, "dtypes": {"float32": 1000},
         "devices": {"cpu": 1000}, "training": True},
        {"fact": "torch", "version": "2.13.0+cpu", "num_threads": 1, "matmul_precision": "highest", "devices": []},
        {"fact": "cost", "what": "mark", "ns": 300.0},
    )  # fmt: skip
    for fact in facts:
        recorder.fact(json.dumps(fact))
    clock, words = START_NS, array("q")
    phases = (
        (m.LOADER_ENTER, data_ms, 32), (m.FORWARD_ENTER, forward_ms, 32), (m.BACKWARD_ENTER, backward_ms, 0),
        (m.OPTIMIZER_ENTER, optimizer_ms, 0),
    )  # fmt: skip
    for _ in range(steps):
        for kind, length, a in phases:
            flags = m.FLAG_GRAD | m.FLAG_TRAINING if kind == m.FORWARD_ENTER else 0
            words.extend((clock, m.tag(kind), flags, 0))
            clock += int(length * MS)
            words.extend((clock, m.tag(kind + 1), a, -1))
    if end:
        words.extend((clock, m.tag(m.END), m.END_EXIT, 0))
    recorder.close()
    with (path / layout.rank_folder(rank) / layout.MARKS).open("ab") as file:
        file.write(words.tobytes())
    return clock


@pytest.fixture
def make_run(tmp_path):
    """``make_run(steps=60, status="killed", exit_code=137, ranks=2)``: a Run with that recording."""
    numbers = itertools.count(1)

    def make(*, steps=60, ranks=1, collectors=None, info=None, **settings):
        run_id = f"20260101T00000{next(numbers)}Z-train-abc123"
        path = tmp_path / layout.RUNS / run_id
        path.mkdir(parents=True)
        changes = {k: settings.pop(k) for k in ("status", "exit_code", "script", "command", "origin") if k in settings}
        ends = (
            [record_steps(path, rank=rank, steps=steps, **settings) for rank in range(ranks)] if steps else [START_NS]
        )
        fields = {
            "schema_version": 1, "id": run_id, "command": ["train.py", "--epochs", "3"], "script": "train.py",
            "status": "finished", "exit_code": 0, "created_utc": "2026-01-01T00:00:00+00:00",
            "started_monotonic_ns": START_NS - 2_000_000_000, "ended_monotonic_ns": max(ends) + 500 * MS,
            "host": {"usable_cores": 4.0, "cpu": "Test CPU"}, "origin": {"kind": "profile"},
            "collectors": collectors if collectors is not None
            else [Collector(name="guest", state="on", reason="armed in 1 process")],
            **changes, **(info or {}),
        }  # fmt: skip
        write_info(path, RunInfo(**fields))
        return Run(path)

    return make


@pytest.fixture
def card():
    """Lines of a run's card as plain text."""

    def lines(run, *, width=100, verbose=0, **changes):
        from perfkit import api
        from perfkit.report.terminal import render

        document = {**api.document(run), **changes}
        return [line.plain for line in render(document, width=width, verbose=verbose)]

    return lines
