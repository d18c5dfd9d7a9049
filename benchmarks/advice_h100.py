"""perfkit's advice on traces of an H100 against what each change really gave there.

    python benchmarks/advice_h100.py                  writes results/advice_h100.json and prints it as a table
    python benchmarks/advice_h100.py --traces DIR --output -

The traces and `measured.json` are not part of perfkit. A bare trace does not hold what the guest would have recorded
in a live run, so those facts are given (`GIVEN` and `facts_of`), and stand in the result beside each workload.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from machine import rounded, write

from perfkit.advise.evidence import Evidence
from perfkit.advise.kernels import flops_seconds, main_format
from perfkit.advise.registry import advise
from perfkit.advise.rules.input import HANDOVER_OF_LOAD, HANDOVER_S, SLACK
from perfkit.advise.together import best_of_alternatives, together
from perfkit.advise.traced_step import of_step
from perfkit.model.records import Interval
from perfkit.runs.reader import Run
from perfkit.trace.importer import import_trace

TRACES = Path(__file__).resolve().parents[2] / "shared" / "traces" / "h100"
# A change has helped, or harmed, from this share of the step per sample on, when no run of one lies among the other's.
WORTH = 0.05
# Below this a larger batch is not worth what it does to training and memory: the launch rule says so in its manual.
BATCH_WORTH = 0.20
CORES = 16
# What the host can do for `memory`: of the card's 80 GB, the part that a batch may grow into.
USABLE_BYTES = 0.9 * 85.0e9


@dataclass(frozen=True, kw_only=True)
class Change:
    """A change that was measured: from a traced workload to another case, and the rule that would advise it."""

    workload: str
    case: str
    what: str
    rule: str | None
    #: For the launch rule: how many times the batch. For the input rule: how many workers.
    amount: int = 0


CHANGES = [
    Change(workload=workload, case=case, what=what, rule=rule, amount=amount)
    for workload, case, what, rule, amount in (
        ("resnet50_fp32_b64", "resnet50_tf32_b64", "TF32", "tf32", 0),
        ("resnet50_fp32_b64", "resnet50_bf16_b64", "bfloat16", "precision", 0),
        ("resnet50_fp32_b64", "resnet50_fp32_b128", "batch 64 → 128", "launch", 2),
        ("resnet50_fp32_b64", "resnet50_fp32_b256", "batch 64 → 256", "launch", 4),
        ("resnet50_tf32_b64", "resnet50_bf16_b64", "bfloat16", "precision", 0),
        ("resnet50_bf16_cl_b64", "resnet50_bf16_cl_b256", "batch 64 → 256", "launch", 4),
        ("resnet50_bf16_cl_b64", "resnet50_bf16_cl_b64_cudnnbench", "cudnn.benchmark", None, 0),
        ("resnet50_bf16_cl_b64", "resnet50_bf16_b64", "no channels_last", None, 0),
        ("resnet50_loader_w0", "resnet50_loader_w2", "2 workers", "input", 2),
        ("resnet50_loader_w0", "resnet50_loader_w4", "4 workers", "input", 4),
        ("resnet50_loader_w0", "resnet50_loader_w8", "8 workers", "input", 8),
        ("resnet50_loader_w0", "resnet50_loader_w14", "14 workers", "input", 14),
        ("resnet50_loader_w0", "resnet50_loader_w14_pin", "14 workers, pinned", "input", 14),
        ("gpt2_fp32_b8", "gpt2_tf32_b8", "TF32", "tf32", 0),
        ("gpt2_fp32_b8", "gpt2_bf16_b8", "bfloat16", "precision", 0),
        ("gpt2_tf32_b8", "gpt2_bf16_b8", "bfloat16", "precision", 0),
        ("gpt2_bf16_b8", "gpt2_bf16_b8_compile", "torch.compile", "compile", 0),
        ("gpt2_bf16_b8", "gpt2_bf16_b8_fused", "fused AdamW", "fused_optimizer", 0),
        ("gpt2_bf16_b8", "gpt2_bf16_b16", "batch 8 → 16", "launch", 2),
        ("gpt2_bf16_b8", "gpt2_bf16_b32", "batch 8 → 32", "launch", 4),
        ("mlp_small", "mlp_small_graph", "CUDA graphs", "cuda_graphs", 0),
        ("mlp_small", "mlp_small_b4096", "batch 256 → 4096", "launch", 16),
        ("mlp_small", "mlp_small_compile", "torch.compile", "compile", 0),
        ("mlp_small", "mlp_small_fused", "fused Adam", "fused_optimizer", 0),
        ("mlp_small", "mlp_small_item", ".item() in each step", None, 0),
        ("mlp_small", "mlp_small_loop_adam", "Adam tensor by tensor", None, 0),
        ("bert_inf_fp32_b1", "bert_inf_fp32_b8", "batch 1 → 8", "launch", 8),
        ("bert_inf_fp32_b1", "bert_inf_fp32_b64", "batch 1 → 64", "launch", 64),
        ("bert_inf_fp32_b1", "bert_inf_bf16_b1", "bfloat16", "precision", 0),
        ("bert_inf_bf16_b64", "bert_inf_fp32_b64", "float32 again", None, 0),
    )
]
# Of the plain configurations; those with a change are derived from their names.
TRACED = ("bert_inf_bf16_b64", "bert_inf_fp32_b1", "gpt2_bf16_b8", "gpt2_bf16_b8_compile", "gpt2_fp32_b8",
          "gpt2_tf32_b8", "mlp_small", "resnet50_bf16_cl_b256", "resnet50_bf16_cl_b64", "resnet50_fp32_b64",
          "resnet50_loader_w0", "resnet50_tf32_b64")  # fmt: skip
OPTIMIZERS = {"resnet50": ("SGD", 25_557_032), "gpt2": ("AdamW", 124_439_808), "mlp": ("Adam", 1_591_296)}
# Where everything that is advised was also measured at once.
ALL_AT_ONCE = {"gpt2_tf32_b8": "gpt2_bf16_b8_compile"}
# The loader's workload computes as this one does.
COMPUTES_AS = {"resnet50_loader_w0": "resnet50_bf16_cl_b64"}


def main():
    """Judge all traced workloads, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES)
    parser.add_argument("--output", default="advice_h100", help="name of the result, or - for none")
    options = parser.parse_args()
    if not (options.traces / "measured.json").exists():
        sys.exit(f"{options.traces}: the traces are not here")
    result = judge_all(options.traces)
    print("\n".join(table(result)))
    if options.output != "-":
        write(options.output, rounded(result))


def judge_all(traces):
    """The whole result."""
    cases = json.loads((traces / "measured.json").read_text())
    with tempfile.TemporaryDirectory() as folder:
        workloads = [judge(name, traces, cases["cases"], Path(folder)) for name in TRACED]
    return {
        "schema_version": 1,
        "made_by": "benchmarks/advice_h100.py",
        "measured_on": f"{cases['device']}, torch {cases['torch']}",
        "what": "advice on traces of four steps, with the step time measured without a profiler, beside what each change "
        "gave in runs without a profiler: the fraction of the step saved per sample, medians of three runs, low and high "
        "from their extremes",
        "known_beforehand": "the rules' factors were set with these measurements in sight: the table shows that advice "
        "and measurement agree, not how the rules do on workloads they have not seen",
        "worth": f"a change helped or harmed if it is {WORTH:.0%} or more and the runs are apart",
        "workloads": workloads,
        "totals": totals(workloads),
    }


def evidence_of(name, traces, folder, cases=None):
    """Evidence of a traced workload: its imported trace, and the facts a live run would have had. *folder*: for the
    run that is made.
    """
    cases = cases or measured(traces)
    step_s = statistics.median(cases[name]["step_s"])
    run = Run(import_trace(Path(traces) / f"{name}.json.gz", Path(folder), step_time_s=step_s).path)
    return Evidence(run, **facts_of(name, cases))


def measured(traces):
    """What was measured, by case."""
    return json.loads((Path(traces) / "measured.json").read_text())["cases"]


def facts_of(name, cases):
    """What is given beside the trace, as the guest and the counters record it in a live run."""
    case, family = cases[name], name.partition("_")[0]
    precision = "high" if "tf32" in name else "highest"
    given = {"cores": CORES, "torch": {"matmul_precision": precision}, "largest_batch": _largest_batch(case)}
    if family in OPTIMIZERS:
        kind, elements = OPTIMIZERS[family]
        given["optimizer"] = {"class": kind, "foreach": None, "fused": None, "elements": elements,
                              "devices": {"cuda:0": elements}}  # fmt: skip
    if "loader" in name:
        given["loader"] = {"class": "DataLoader", "num_workers": 0, "batch_size": case["batch"], "length": 64,
                           "pin_memory": False, "persistent_workers": False, "iterable": False}  # fmt: skip
        given["breakdown"] = _phases(statistics.median(case["step_s"]),
                                     statistics.median(cases[COMPUTES_AS[name]]["step_s"]))  # fmt: skip
    return given


def _largest_batch(case):
    """As if all of the peak grew with the batch."""
    low = int(case["batch"] * USABLE_BYTES / case["peak_allocated_bytes"])
    return {"batch": case["batch"], "low": low, "high": low, "basis": "peak memory measured"}


def _phases(step_s, compute_s):
    rows = {"data": step_s - compute_s, "forward": 0.4 * compute_s, "backward": 0.55 * compute_s,
            "optimizer": 0.05 * compute_s}  # fmt: skip
    return [{"name": n, "seconds_per_step": s, "share": s / step_s} for n, s in rows.items()]


def judge(name, traces, cases, folder):
    """One workload: what was said, and how that agrees with what was measured."""
    evidence = evidence_of(name, traces, folder, cases)
    advice = advise(evidence)
    if advice.failed:
        raise RuntimeError(f"{name}: {advice.failed}")
    effects = [effect(change, cases) for change in CHANGES if change.workload == name]
    whole = together(advice.findings, evidence)
    return {
        "name": name,
        "step_s": statistics.median(cases[name]["step_s"]),
        "given": facts_of(name, cases),
        "findings": [listed(finding, effects, name, cases) for finding in advice.findings],
        "together": all_at_once(name, whole, cases) if len(best_of_alternatives(advice.findings)) > 1 else None,
        "changes": [against(e, advice.findings, effects) for e in effects],
        "what_if": [what_if(e, evidence) for e in effects if e["rule"] in ("launch", "input")],
    }


def all_at_once(name, whole, cases):
    """What all findings save together, beside what that was measured to give, where it was."""
    case = ALL_AT_ONCE.get(name)
    gain = None
    if case:
        gain = 1 - statistics.median(cases[case]["step_s"]) / statistics.median(cases[name]["step_s"])
    return {**asdict(whole), "case": case, "measured": gain}


def effect(change, cases):
    """What a change gave: saved per sample, from medians and, as an interval, from the extremes of the runs."""
    before, after = cases[change.workload], cases[change.case]
    per_sample = after["batch"] / before["batch"]
    old, new = before["step_s"], [seconds / per_sample for seconds in after["step_s"]]
    gain = 1 - statistics.median(new) / statistics.median(old)
    low, high = 1 - max(new) / min(old), 1 - min(new) / max(old)
    apart = max(new) < min(old) or max(old) < min(new)
    verdict = "neither" if abs(gain) < WORTH or not apart else "helped" if gain > 0 else "harmed"
    return {"what": change.what, "case": change.case, "rule": change.rule, "amount": change.amount,
            "measured": gain, "low": low, "high": high, "verdict": verdict}  # fmt: skip


def listed(finding, effects, name, cases):
    """A finding beside the measured effect of the very change it asks for, where there is one."""
    low, high = finding.saves.low, finding.saves.high
    found = _measured(finding, effects, cases[name]["batch"])
    row = {"rule": finding.rule, "title": finding.title, "low": low, "high": high, "confidence": finding.confidence,
           "measured": None, "case": None, "inside": None}  # fmt: skip
    if found:
        row.update(measured=found["measured"], case=found["case"], inside=low <= found["measured"] <= high)
    return row


def _measured(finding, effects, batch):
    """The effect of what *finding* asks for: the same batch, or at least as many workers, where there are several."""
    own = [e for e in effects if e["rule"] == finding.rule]
    parameters = finding.fix.parameters if finding.fix else {}
    if finding.rule == "launch":
        own = [e for e in own if e["amount"] * batch == parameters.get("batch_size")]
    if finding.rule == "input":
        own = sorted((e for e in own if e["amount"] >= parameters.get("num_workers", 0)), key=lambda e: e["amount"])
    return own[0] if own else None


def against(change, findings, effects):
    """A measured change, and whether the list has it."""
    own = next((f for f in findings if f.rule == change["rule"]), None)
    row = {**change, "listed": own is not None, "instead": None, "why": None}
    if own is None and change["verdict"] == "helped":
        row["instead"] = _better_alternative(change, findings, effects)
        row["why"] = _why_not(change) if row["instead"] is None else None
    return row


def _better_alternative(change, findings, effects):
    """A listed cure of the same trouble that measurably gave more."""
    groups = {"precision": "number format", "tf32": "number format"}
    for finding in findings:
        same = finding.alternatives and finding.alternatives == groups.get(change["rule"])
        gains = [e["measured"] for e in effects if e["rule"] == finding.rule]
        if same and gains and max(gains) >= change["measured"]:
            return finding.rule
    return None


def _why_not(change):
    if change["rule"] == "launch" and change["measured"] < BATCH_WORTH:
        return f"a larger batch on a busy device, for less than {BATCH_WORTH:.0%}: it changes the training"
    return None


def what_if(change, evidence):
    """What the replay says of a batch or a number of workers that was measured, advised or not."""
    given = (evidence.step_s, evidence.kernels, evidence.host_operators, evidence.device_breakdown, evidence.breakdown)
    replay = of_step(*given)
    if change["rule"] == "launch":
        peak_s = flops_seconds(evidence.hotspots, evidence.device_spec, main_format(evidence.kernels))
        saves = replay.larger_batch(change["amount"], peak_s=peak_s).saves()
    else:
        saves = fed(replay, change["amount"])
    row = {"what": change["what"], "low": saves.low, "high": saves.high, "measured": change["measured"]}
    return {**row, "inside": saves.low <= change["measured"] <= saves.high}


def fed(replay, workers):
    """What *workers* loader processes save, by the input rule's figures for contention and for handing batches over."""
    load_s = replay.best.data
    best = replay.input_hidden(load_s, workers, (HANDOVER_S[0], HANDOVER_S[0]))
    dearer = HANDOVER_S[1] + HANDOVER_OF_LOAD * load_s
    worst = replay.input_hidden(load_s * SLACK, workers, (dearer, dearer))
    return Interval(low=worst.saves().low, high=best.saves().high)


def totals(workloads):
    """The counts that the table ends with."""
    findings = [f for w in workloads for f in w["findings"]]
    measured = [f for f in findings if f["measured"] is not None]
    changes = [c for w in workloads for c in w["changes"]]
    helped = [c for c in changes if c["verdict"] == "helped"]
    checks = [row for w in workloads for row in w["what_if"]]
    return {
        "findings": len(findings),
        "findings_measured": len(measured),
        "inside": sum(f["inside"] for f in measured),
        "widest": max(f["high"] - f["low"] for f in findings),
        "median_width": statistics.median(f["high"] - f["low"] for f in findings),
        "helped": len(helped),
        "helped_and_listed": sum(c["listed"] for c in helped),
        "helped_less_than_a_listed_alternative": sum(c["instead"] is not None for c in helped),
        "helped_and_left_out_by_intent": sum(c["why"] is not None for c in helped),
        "helped_and_missed": [f"{c['what']} ({c['case']})" for c in helped if not (c["listed"] or c["instead"] or c["why"])],
        "harmed": sum(c["verdict"] == "harmed" for c in changes),
        "harmed_and_listed": [c["case"] for c in changes if c["verdict"] == "harmed" and c["listed"]],
        "what_if": len(checks),
        "what_if_inside": sum(row["inside"] for row in checks),
    }  # fmt: skip


def table(result):
    """Lines of text."""
    for workload in result["workloads"]:
        yield f"\n{workload['name']}  {workload['step_s'] * 1e3:.1f} ms"
        for row in workload["findings"]:
            seen = (
                "not measured" if row["measured"] is None else f"measured {row['measured']:.0%} {_mark(row['inside'])}"
            )
            yield f"  says  {row['rule']:16} {row['low']:.0%}–{row['high']:.0%}  {seen}  {row['title']}"
        if both := workload["together"]:
            seen = "not measured" if both["measured"] is None else f"measured {both['measured']:.0%}"
            yield f"  says  all together     {both['low']:.0%}–{both['high']:.0%}  {seen}"
        for row in workload["changes"]:
            where = "listed" if row["listed"] else f"{row['instead']} instead" if row["instead"] else row["why"] or "-"
            yield f"  {row['verdict']:8} {row['what']:24} {row['measured']:+.1%} ({row['low']:+.0%} … {row['high']:+.0%})  {where}"
        for row in workload["what_if"]:
            yield f"  what if {row['what']:24} {row['low']:.0%}–{row['high']:.0%}  measured {row['measured']:.0%} {_mark(row['inside'])}"
    yield ""
    yield from (f"{key}: {value}" for key, value in result["totals"].items())


def _mark(inside):
    return "inside" if inside else "OUTSIDE"


if __name__ == "__main__":
    main()
