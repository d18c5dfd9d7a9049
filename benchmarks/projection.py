"""What perfkit says a step would take under other settings, against what it took: traces of an H100, and the catalogue alone.

    python benchmarks/projection.py                  writes results/projection.json and prints it as a table
    python benchmarks/projection.py --traces DIR --output -
    python benchmarks/projection.py --kernels        prints what the traced kernels reach, from which the constants were set

From each traced workload its step at another number format, batch or with torch.compile is predicted, by `perfkit compare RUN --on h100
--dtype … --batch …`, and held against the step measured there without a profiler (median of three runs), and where that one was traced
too against its device time. Beside it stand three naive answers: the step stays as it is; it goes with the batch and the ratio of peak
FLOP/s; it goes with the batch and the ratio of bandwidths, which on one device is 1.

The traces and `measured.json` are not part of perfkit. No other device can be tried with them.
"""

import argparse
import json
import statistics
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from machine import rounded, write

from perfkit.analyze.classes import BUSY
from perfkit.analyze.formats import MATRIX_KINDS
from perfkit.compare.projection.project import Asked, project
from perfkit.compare.projection.settings import Settings
from perfkit.compare.projection.transfer import peaks
from perfkit.compare.projection.workload import FORMATS, workload_of
from perfkit.hardware.catalog import match
from perfkit.trace.formats import read

TRACES = Path(__file__).resolve().parents[2] / "shared" / "traces" / "h100"


@dataclass(frozen=True)
class Pair:
    """From a traced workload to a measured case."""

    origin: str
    case: str
    dtype: str | None = None
    compiled: bool | None = None


PAIRS = [
    Pair(*values)
    for values in (
        ("resnet50_fp32_b64", "resnet50_tf32_b64", "tf32"),
        ("resnet50_fp32_b64", "resnet50_bf16_b64", "bf16"),
        ("resnet50_fp32_b64", "resnet50_fp32_b16"),
        ("resnet50_fp32_b64", "resnet50_fp32_b128"),
        ("resnet50_fp32_b64", "resnet50_fp32_b256"),
        ("resnet50_tf32_b64", "resnet50_fp32_b64", "fp32"),
        ("resnet50_tf32_b64", "resnet50_bf16_b64", "bf16"),
        ("resnet50_bf16_cl_b64", "resnet50_bf16_cl_b256"),
        ("resnet50_bf16_cl_b256", "resnet50_bf16_cl_b64"),
        ("gpt2_fp32_b8", "gpt2_tf32_b8", "tf32"),
        ("gpt2_fp32_b8", "gpt2_bf16_b8", "bf16"),
        ("gpt2_tf32_b8", "gpt2_fp32_b8", "fp32"),
        ("gpt2_tf32_b8", "gpt2_bf16_b8", "bf16"),
        ("gpt2_bf16_b8", "gpt2_fp32_b8", "fp32"),
        ("gpt2_bf16_b8", "gpt2_tf32_b8", "tf32"),
        ("gpt2_bf16_b8", "gpt2_bf16_b16"),
        ("gpt2_bf16_b8", "gpt2_bf16_b32"),
        ("gpt2_bf16_b8", "gpt2_bf16_b8_compile", None, True),
        ("gpt2_bf16_b8_compile", "gpt2_bf16_b8", None, False),
        ("bert_inf_fp32_b1", "bert_inf_fp32_b8"),
        ("bert_inf_fp32_b1", "bert_inf_fp32_b64"),
        ("bert_inf_fp32_b1", "bert_inf_bf16_b1", "bf16"),
        ("bert_inf_fp32_b1", "bert_inf_bf16_b64", "bf16"),
        ("bert_inf_bf16_b64", "bert_inf_fp32_b64", "fp32"),
        ("bert_inf_bf16_b64", "bert_inf_bf16_b8"),
        ("bert_inf_bf16_b64", "bert_inf_bf16_b1"),
        ("bert_inf_bf16_b64", "bert_inf_fp32_b1", "fp32"),
        ("mlp_small", "mlp_small_b4096"),
        ("mlp_small", "mlp_small_compile", None, True),
    )
]


def main():
    """Predict every pair, write the result and print it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--traces", type=Path, default=TRACES)
    parser.add_argument("--output", default="projection", help="name of the result, or - for none")
    parser.add_argument("--kernels", action="store_true", help="print what the traced kernels reach, and nothing else")
    options = parser.parse_args()
    if not (options.traces / "measured.json").exists():
        sys.exit(f"{options.traces}: the traces are not here")
    known = {name: load(options.traces, name) for name in sorted({pair.origin for pair in PAIRS})}
    if options.kernels:
        print("\n".join(line for name, workload in known.items() for line in reached(name, workload)))
        return
    result = judge_all(known, json.loads((options.traces / "measured.json").read_text()))
    print("\n".join(table(result)))
    if options.output != "-":
        write(options.output, rounded(result))


def load(traces, name):
    """A traced workload."""
    return workload_of(read(traces / f"{name}.json.gz"))


def judge_all(known, measured):
    """The whole result."""
    rows = [judge(pair, known, measured["cases"]) for pair in PAIRS]
    return {
        "schema_version": 1,
        "made_by": "benchmarks/projection.py",
        "measured_on": f"{measured['device']}, torch {measured['torch']}",
        "what": "steps predicted from a trace and the catalogue, beside the median of three runs without a profiler; errors are |predicted / measured - 1|",
        "known_beforehand": "what kernels of a number format reach of their peak, how kernels grow with the batch and what a compiler fuses were set "
        "with these measurements in sight: the table shows how well one set of constants fits all of them, not how it does on models it has not seen",
        "pairs": rows,
        "totals": totals(rows),
    }


def judge(pair, known, cases):
    """One pair: predicted, measured, and the naive answers."""
    workload, before, after = known[pair.origin], cases[pair.origin], cases[pair.case]
    spec = match(workload.device)
    times = after["batch"] / before["batch"]
    settings = Settings(batch=times, dtype=pair.dtype, compiled=pair.compiled)
    step_s = statistics.median(before["step_s"])
    asked = Asked(origin=spec, target=spec, settings=settings, same_machine=True)
    found = project(workload, asked, step_s)
    truth = statistics.median(after["step_s"])
    device = known[pair.case].busy_s if pair.case in known else None
    return {
        "from": pair.origin,
        "to": pair.case,
        "from_step_s": step_s,
        "step_s": vars(found.step_s),
        "measured_s": truth,
        "runs_s": after["step_s"],
        "inside": found.step_s.low <= truth <= found.step_s.high,
        "error": abs(found.step_s.expected / truth - 1),
        "limit": found.limit,
        "device_s": vars(found.device_s),
        "traced_device_s": device,
        "device_error": None if device is None else abs(found.device_s.expected / device - 1),
        "naive": naive(pair, spec, step_s, times, truth),
    }


def naive(pair, spec, step_s, times, truth):
    """Errors of the three answers that need no trace."""
    ratio = spec.matrix_peak(format_of(pair.origin)) / spec.matrix_peak(format_of(pair.case))
    answers = {"no_change": step_s, "peak_flops": step_s * times * ratio, "bandwidth": step_s * times}
    return {name: abs(value / truth - 1) for name, value in answers.items()}


def format_of(name):
    """Number format of a case, from its name."""
    return next((word for word in ("tf32", "bf16") if word in name), "fp32")


def totals(rows):
    """What the table ends with."""
    names = rows[0]["naive"]
    devices = [row["device_error"] for row in rows if row["device_error"] is not None]
    return {
        "pairs": len(rows),
        "inside": sum(row["inside"] for row in rows),
        "median_error": statistics.median(row["error"] for row in rows),
        "mean_error": statistics.mean(row["error"] for row in rows),
        "median_width": statistics.median(
            (row["step_s"]["high"] - row["step_s"]["low"]) / row["step_s"]["expected"] for row in rows
        ),
        "device_pairs": len(devices),
        "median_device_error": statistics.median(devices),
        "naive_median_error": {name: statistics.median(row["naive"][name] for row in rows) for name in names},
        "better_than_every_naive_answer": sum(row["error"] <= min(row["naive"].values()) for row in rows),
        "worse_than_a_naive_answer": [
            f"{row['from']} -> {row['to']}" for row in rows if row["error"] > min(row["naive"].values())
        ],
    }


def table(result):
    """Lines of text."""
    yield f"{'from':24} {'to':24} {'low':>7} {'likely':>7} {'high':>7} {'measured':>8}   {'error':>6}  {'none':>5} {'peak':>5} {'band':>5}   device"
    for row in result["pairs"]:
        step = "".join(f"{row['step_s'][end] * 1e3:8.1f}" for end in ("low", "expected", "high"))
        mark = " " if row["inside"] else "!"
        others = "".join(f"{min(value, 9.99):6.0%}" for value in row["naive"].values())
        device = (
            ""
            if row["device_error"] is None
            else f"{row['device_s']['expected'] * 1e3:.1f} of {row['traced_device_s'] * 1e3:.1f}: {row['device_error']:.0%}"
        )
        worse = "  worse" if row["error"] > min(row["naive"].values()) else ""
        yield f"{row['from']:24} {row['to']:24}{step} {row['measured_s'] * 1e3:8.1f} {mark} {row['error']:6.1%} {others}   {device}{worse}"
    yield ""
    yield from (f"{key}: {value}" for key, value in result["totals"].items())


def reached(name, workload):
    """What kernels of each kind and format reach of the peak, and others of the memory's rate."""
    pieces, spec, steps = workload.pieces, match(workload.device), workload.steps
    yield f"\n{name}: {workload.busy_s * 1e3:.1f} ms of device work, {workload.host_s * 1e3:.1f} of the host, profiled step {workload.profiled_step_s * 1e3:.1f}"
    peak = peaks(pieces, spec)
    groups = defaultdict(list)
    for index, (kind, form) in enumerate(zip(pieces.kind.tolist(), pieces.format.tolist(), strict=True)):
        groups[BUSY[kind], FORMATS[form] if BUSY[kind] in MATRIX_KINDS else ""].append(index)
    for (kind, form), members in sorted(groups.items()):
        chosen = np.array(members)
        seconds, flops, moved = (part[chosen] for part in (pieces.seconds, pieces.flops, pieces.bytes))
        counted = ~np.isnan(flops)
        efficiency = (
            (flops[counted] / peak[chosen][counted]).sum() / seconds[counted].sum() if counted.any() else float("nan")
        )
        weighed = ~np.isnan(moved)
        rate = moved[weighed].sum() / spec.bandwidth / seconds[weighed].sum() if weighed.any() else float("nan")
        fixed = seconds[pieces.is_fixed[chosen]].sum() / seconds.sum()
        yield (
            f"  {kind:14} {form:8} {seconds.sum() / steps * 1e3:8.2f} ms {len(members) / steps:7.0f} calls  {efficiency:6.1%} of peak, "
            f"{rate:6.1%} of bandwidth; fixed {fixed:5.1%}, flops of {seconds[counted].sum() / seconds.sum():5.1%}, bytes of {seconds[weighed].sum() / seconds.sum():5.1%}"
        )


if __name__ == "__main__":
    main()
