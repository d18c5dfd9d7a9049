"""What torch itself can do to a training loop: several ranks, a compiler, reduced precision, worker processes."""

import sys

import pytest

pytestmark = [pytest.mark.integration, pytest.mark.slow]


def test_two_ranks_under_torchrun_are_each_recorded(pair):
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    found = pair("ddp.py", launcher=torchrun)
    ranks = found.document["ranks"]
    assert [(row["rank"], row["steps"]) for row in ranks] == [(0, found.result["steps"]), (1, found.result["steps"])]
    assert all(row["median_s"] > 0 for row in ranks)
    assert found.document["steps"]["samples_per_step"] == found.result["samples_per_step"]
    assert sum(found.shares.values()) == pytest.approx(1, abs=0.01)


def test_a_compiled_loop_in_bfloat16_with_workers_computes_the_same_in_as_many_graphs(pair):
    pair("compiled.py").check()
