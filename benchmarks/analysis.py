"""How long the whole analysis of a trace takes beyond reading it, and whether it grows with the trace and no faster.

    python benchmarks/analysis.py                     writes results/analysis.json
    python benchmarks/analysis.py --output -          prints it

Files of about 12 to 100 MB are made as in ingest.py: recorded traces repeated, as if they were one recording. Reading is
timed by itself; then, with the trace read, everything that follows an import: device view, operators with modules,
kernels, copies, waits, launches, roofline, every rule, and the document. Processor time of the process, the best of
three, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from pathlib import Path

from ingest import TRACES, generate
from machine import describe, write

CASES = {"gpt2_bf16_b8": (1, 2, 3, 5), "resnet50_bf16_cl_b64": (1, 2, 4, 7), "mlp_small": (1, 2, 4, 8)}
STEP_S = {"gpt2_bf16_b8": 0.06996, "resnet50_bf16_cl_b64": 0.04648, "mlp_small": 0.010}
ROUNDS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", default="analysis", help="name below results/, or - to print (default: analysis)")
    output = parser.parse_args().output
    rows = [row for name, copies in CASES.items() for row in measure(name, copies)]
    result = {
        "what": "processor seconds, best of three; analyse_s: everything from the read trace to the document",
        "target": "analyse_s < 2 s at 50 MB, growing linearly",
        "at_50_mb": {name: at_50_mb([row for row in rows if row["trace"] == name]) for name in CASES},
        "rows": rows,
    }
    if output == "-":
        print(json.dumps({"machine": describe(), **result}, indent=1))
    else:
        write(output, result)


def measure(name: str, copies: tuple[int, ...]) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="perfkit-analysis-") as folder:
        for count in copies:
            file = Path(folder) / f"{name}-{count}.json"
            generate(TRACES / f"{name}.json.gz", count, file)
            rows.append({"trace": name, "copies": count, **timed(file, STEP_S[name], Path(folder) / str(count))})
            print(rows[-1], file=sys.stderr)
            file.unlink()
    return rows


def timed(file: Path, step_s: float, root: Path) -> dict:
    """Seconds to read *file* and, that done, to analyse it and to write the document."""
    from perfkit.advise import registry
    from perfkit.advise.evidence import Evidence
    from perfkit.analyze.trace_view import analyze_trace
    from perfkit.report.document import compose, encode
    from perfkit.runs.reader import Run
    from perfkit.trace.importer import import_trace
    from perfkit.trace.kineto import read

    run = Run(import_trace(file, root, step_time_s=step_s).path)
    best_read, best, events = float("inf"), float("inf"), 0
    for _ in range(ROUNDS):
        start = time.process_time()
        trace = read(file)
        between = time.process_time()
        evidence = Evidence(run, trace=analyze_trace(trace, step_time_s=step_s))
        encode(compose(evidence, registry.advise(evidence)))
        best_read, best = min(best_read, between - start), min(best, time.process_time() - between)
        events = len(trace.events)
    return {"mb": round(file.stat().st_size / 1e6, 1), "events": events, "read_s": best_read, "analyse_s": best}


def at_50_mb(rows: list[dict]) -> dict:
    """Seconds at 50 MB between the sizes measured, and how the cost per MB changes from the smallest to the largest."""
    below = max((row for row in rows if row["mb"] <= 50), key=lambda row: row["mb"])
    above = min((row for row in rows if row["mb"] >= 50), key=lambda row: row["mb"])
    part = (50 - below["mb"]) / max(above["mb"] - below["mb"], 1e-9)
    seconds = below["analyse_s"] + part * (above["analyse_s"] - below["analyse_s"])
    first, last = min(rows, key=lambda row: row["mb"]), max(rows, key=lambda row: row["mb"])
    slope = (last["analyse_s"] / last["mb"]) / (first["analyse_s"] / first["mb"])
    return {"analyse_s": seconds, "cost_per_mb_largest_over_smallest": slope}


if __name__ == "__main__":
    main()
