import json

import pytest

KINETO_HEAD = """{
  "schemaVersion": 1,
  "deviceProperties": [
    {
      "id": 0, "name": "NVIDIA H100 80GB HBM3", "totalGlobalMem": 85017493504
    }
  ],
  "record_shapes": 1,
  "distributedInfo": {"backend": "nccl", "rank": 3, "world_size": 8},
  "baseTimeNanoseconds": 1790857026000000000,
  "traceEvents": [
  """
KINETO_TAIL = """
  ],
  "traceName": "/tmp/trace.json"
}"""


def _event(name="aten::mm", ts="1000.250", dur="2.500", cat="cpu_op", args='"External id": 7', **more):
    """The text of an event as Kineto writes it; values are the texts of their JSON."""
    fields = {"pid": "10", "tid": "11", **more}
    rest = "".join(f', "{key}": {value}' for key, value in fields.items())
    return (
        f'{{\n    "ph": "X", "cat": "{cat}", "name": {json.dumps(name)}{rest},\n'
        f'    "ts": {ts}, "dur": {dur},\n    "args": {{\n      {args}\n    }}\n  }}'
    )


@pytest.fixture
def kineto(tmp_path):
    """Writes a trace as Kineto would and returns its path."""

    def write(*events, head=KINETO_HEAD, tail=KINETO_TAIL, name="trace.json"):
        path = tmp_path / name
        text = head + ",\n  ".join(events) + tail
        path.write_bytes(text.encode("utf-8", "surrogateescape"))
        return path

    return write


@pytest.fixture
def event():
    """The text of an event as Kineto writes it."""
    return _event
