"""Advice on the traces of an H100 agrees with what each change gave there. Skipped where the traces are not."""

import itertools
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
import advice_h100  # noqa: E402

from perfkit.advise.evidence import Evidence  # noqa: E402
from perfkit.advise.registry import advise  # noqa: E402
from perfkit.runs.reader import Run  # noqa: E402
from perfkit.trace.importer import import_trace  # noqa: E402

TRACES = ROOT.parent / "shared" / "traces" / "h100"
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not (TRACES / "measured.json").exists(), reason="the recorded H100 traces are not here"),
]

# What must be said, most important first, and nothing else of what was measured there.
MUST = {
    "resnet50_fp32_b64": ["tf32"],
    "resnet50_tf32_b64": [],
    "resnet50_bf16_cl_b64": ["launch"],
    "resnet50_bf16_cl_b256": [],
    "resnet50_loader_w0": ["input"],
    "gpt2_fp32_b8": ["tf32", "precision"],
    "gpt2_tf32_b8": ["precision"],
    "gpt2_bf16_b8": ["compile", "fused_optimizer"],
    "gpt2_bf16_b8_compile": [],
    "mlp_small": ["launch", "cuda_graphs"],
    "bert_inf_fp32_b1": ["launch"],
    "bert_inf_bf16_b64": ["launch"],
}
NEVER = {
    "resnet50_tf32_b64": {"precision"},
    "resnet50_bf16_cl_b64": {"precision", "tf32", "compile"},
    "gpt2_bf16_b8": {"precision", "launch"},
    "gpt2_bf16_b8_compile": {"precision", "compile", "launch", "cuda_graphs"},
    "mlp_small": {"precision", "compile", "fused_optimizer"},
    "bert_inf_fp32_b1": {"precision", "compile"},
}


@pytest.fixture(scope="module")
def result():
    return advice_h100.judge_all(TRACES)


@pytest.mark.parametrize("name", advice_h100.TRACED)
def test_the_list_has_what_helped_and_nothing_that_harmed(result, name):
    said = [row["rule"] for row in _workload(result, name)["findings"]]
    assert set(MUST[name]) <= set(said) and not NEVER.get(name, set()) & set(said)


@pytest.mark.parametrize("name", [name for name in MUST if MUST[name]])
def test_of_what_was_measured_the_right_cure_comes_first(result, name):
    measured = [row["rule"] for row in _workload(result, name)["findings"] if row["measured"] is not None]
    assert name == "bert_inf_bf16_b64" or measured[0] in MUST[name]


def test_no_change_that_helped_is_missed_without_a_reason(result):
    assert result["totals"]["helped"] >= 15 and not result["totals"]["helped_and_missed"]


def test_no_change_that_harmed_is_advised(result):
    assert result["totals"]["harmed"] >= 5 and not result["totals"]["harmed_and_listed"]


def test_the_measured_gain_lies_inside_the_predicted_one(result):
    totals = result["totals"]
    assert totals["findings_measured"] >= 10 and totals["inside"] >= 0.8 * totals["findings_measured"]


def test_predictions_are_narrow_enough_to_mean_something(result):
    measured = [row for w in result["workloads"] for row in w["findings"] if row["measured"] is not None]
    assert all(row["high"] - row["low"] <= min(0.25, 2 * row["measured"]) for row in measured)


def test_the_replay_foresees_batches_and_workers_that_no_rule_advises(result):
    totals = result["totals"]
    assert totals["what_if"] >= 10 and totals["what_if_inside"] >= 0.8 * totals["what_if"]


def test_several_cures_together_give_more_than_one_and_less_than_their_sum(result):
    row = _workload(result, "gpt2_bf16_b8")
    lows = [finding["low"] for finding in row["findings"]]
    assert max(lows) <= row["together"]["low"] <= sum(lows) and row["together"]["high"] < 1


@pytest.mark.parametrize("name", advice_h100.TRACED)
def test_a_bare_trace_whose_plain_step_is_not_known_gets_no_harmful_advice_either(name, tmp_path):
    """Under the profiler the compiled GPT-2 looks idle for half of its step; it is not."""
    run = Run(import_trace(TRACES / f"{name}.json.gz", tmp_path).path)
    said = {finding.rule for finding in advise(Evidence(run)).findings}
    assert not said & NEVER.get(name, set())


def test_advice_does_not_hang_on_which_of_the_runs_was_timed(tmp_path):
    """Each run's own step time in turn: on noisy hosts they differ by a fifth."""
    cases, inside = advice_h100.measured(TRACES), []
    for name, number in itertools.product(advice_h100.TRACED, range(3)):
        told = {**cases, name: {**cases[name], "step_s": [cases[name]["step_s"][number]] * 3}}
        judged = advice_h100.judge(name, TRACES, told, tmp_path)
        assert not NEVER.get(name, set()) & {row["rule"] for row in judged["findings"]}
        inside += [row["inside"] for row in judged["findings"] if row["measured"] is not None]
    assert len(inside) >= 30 and sum(inside) >= 0.9 * len(inside)


def _workload(result, name):
    return next(row for row in result["workloads"] if row["name"] == name)
