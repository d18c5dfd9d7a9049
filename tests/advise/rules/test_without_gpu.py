"""Rules about GPUs have nothing to say of a machine without one: neither advice nor a complaint."""

import pytest

from perfkit import api
from perfkit.advise.registry import all_rules, judge
from perfkit.model.records import RunInfo
from perfkit.runs.reader import Run, write_info

RULES = ("tf32", "launch", "cuda_graphs", "compile", "alignment", "fused_optimizer", "transfer", "synchronisation")


@pytest.fixture
def bare(tmp_path):
    """Evidence of a run that recorded nothing, on a machine without a GPU."""
    path = tmp_path / "20260101T000000Z-train-abc123"
    path.mkdir()
    info = RunInfo(
        schema_version=1, id=path.name, command=["train.py"], script="train.py", status="finished",
        created_utc="2026-01-01T00:00:00+00:00", exit_code=0,
    )  # fmt: skip
    write_info(path, info)
    return api.evidence(Run(path))


@pytest.mark.parametrize("name", RULES)
def test_it_is_silent_and_not_unable(bare, name):
    assert bare.gpu is None and bare.trace is None
    assert judge(all_rules()[name], bare) is None
