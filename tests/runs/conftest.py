"""Literal run directories."""

import os
import time

import pytest

from perfkit.model.records import RunInfo
from perfkit.runs import layout
from perfkit.runs.reader import write_info


@pytest.fixture
def make_run():
    """Make a run below a root: ``make_run(root, "20260101T000000Z-a-000001", status="failed")``."""

    def make(root, run_id, *, age_s=0.0, **changes):
        path = root / layout.RUNS / run_id
        path.mkdir(parents=True)
        created = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() - age_s))
        fields = {
            "schema_version": 1, "id": run_id, "command": ["train.py"], "script": "train.py", "status": "finished",
            "created_utc": created, "exit_code": 0, **changes,
        }  # fmt: skip
        write_info(path, RunInfo(**fields))
        return path

    return make


@pytest.fixture
def own_pid():
    return os.getpid()
