"""The zoo's GPU cases: recorded traces of an H100, whose cures were measured there. See benchmarks/advice_h100.py."""

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path

import advice_h100

from . import scoring


@dataclass(frozen=True, kw_only=True)
class Traced:
    """A traced workload, what is known to lose its time, and the rules of which any may come first."""

    name: str
    cause: str
    rules: tuple[str, ...]


# Traced workloads of which no cure was measured, or not the likely best one, are no cases: which finding should come first
# is not known (resnet50_tf32_b64, gpt2_tf32_b8, resnet50_bf16_cl_b256, gpt2_bf16_b8_compile, bert_inf_bf16_b64).
TRACED = (
    Traced(name="resnet50_fp32_b64", cause="precision", rules=("tf32", "precision")),
    Traced(name="gpt2_fp32_b8", cause="precision", rules=("precision", "tf32")),
    Traced(name="gpt2_bf16_b8", cause="compile", rules=("compile",)),
    Traced(name="resnet50_bf16_cl_b64", cause="launch", rules=("launch", "cuda_graphs")),
    Traced(name="mlp_small", cause="launch", rules=("launch", "cuda_graphs")),
    Traced(name="bert_inf_fp32_b1", cause="launch", rules=("launch", "cuda_graphs")),
    Traced(name="resnet50_loader_w0", cause="input", rules=("input",)),
)


def scored(only=None, traces: Path = advice_h100.TRACES):
    """A row per traced workload; none where the traces are not here."""
    if not (traces / "measured.json").exists():
        return []
    cases = json.loads((traces / "measured.json").read_text(encoding="utf-8"))["cases"]
    chosen = [case for case in TRACED if not only or case.name in only]
    with tempfile.TemporaryDirectory(prefix="perfkit-zoo-") as folder:
        return [one(case, advice_h100.judge(case.name, traces, cases, Path(folder))) for case in chosen]


def one(case, judged):
    """The row of one workload, from what `advice_h100.judge` says of it."""
    findings, changes = judged["findings"], {change["case"]: change for change in judged["changes"]}
    told = next((f for f in findings if f["rule"] in case.rules and f["case"]), None)
    change = changes[told["case"]] if told else None
    effect = {"median": change["measured"], "low": change["low"], "high": change["high"]} if change else None
    kept = [{key: f[key] for key in ("rule", "title", "low", "high", "confidence")} for f in findings]
    return scoring.row(case.name, case.cause, case.rules, kept, effect) | {"recorded": "trace"}
