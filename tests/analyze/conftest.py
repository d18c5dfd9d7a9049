"""The tape on which tests write literal marks (its class lies with the tests of steps), and traces written by hand."""

import importlib.util
import json
from pathlib import Path

import pytest

from perfkit.analyze.device import device_view
from perfkit.analyze.trace_view import analyze_trace
from perfkit.trace.kineto import read


@pytest.fixture
def tape():
    """A fresh one."""
    spec = importlib.util.spec_from_file_location("steps_tape", Path(__file__).with_name("test_steps.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Tape()


class Timeline:
    """A trace written by hand, times in µs."""

    def __init__(self, path):
        self.path, self.events, self.correlation = path, [], 0

    def host(self, name, start, duration, cat="cpu_op", tid=1, **args):
        self.events.append(
            {"ph": "X", "cat": cat, "name": name, "pid": 1, "tid": tid, "ts": start, "dur": duration, "args": args}
        )
        return self

    def step(self, number, start, duration):
        return self.host(f"ProfilerStep#{number}", start, duration, "user_annotation")

    def kernel(
        self,
        name,
        launched,
        start,
        duration,
        cat="kernel",
        stream=7,
        device=0,
        call="cudaLaunchKernel",
        launch=2,
        **args,
    ):
        self.correlation += 1
        if launched is not None:
            self.host(call, launched, launch, "cuda_runtime", correlation=self.correlation, **args)
        self.events.append(
            {"ph": "X", "cat": cat, "name": name, "pid": device, "tid": stream, "ts": start, "dur": duration,
             "args": {"device": device, "stream": stream, "correlation": self.correlation, **args}}
        )  # fmt: skip
        return self

    def write(self, **more):
        self.path.write_text(json.dumps({**more, "traceEvents": self.events}))
        return self.path

    def view(self, **options):
        return device_view(read(self.write()).events, **options)

    def analysis(self, *, devices=(), **options):
        return analyze_trace(self.write(deviceProperties=list(devices)), **options)


@pytest.fixture
def timeline(tmp_path):
    return Timeline(tmp_path / "trace.json")
