"""How fast, and in how little memory, perfkit reads a trace: against HolisticTraceAnalysis (HTA) on the same files.

    python benchmarks/ingest.py                       all sizes, writes results/ingest.json
    python benchmarks/ingest.py --sizes 43 --rounds 3 --output -

Each measurement is a whole process: start, imports, reading, analysis. perfkit's does the device view (busy by class,
idle by cause, by launch and by time) and the kernel table; HTA's its temporal, kernel and idle breakdowns. Runs of the
two alternate; medians with the range are given, and the peak resident memory of the process. HTA gets a virtual
environment of its own, HTA_DISABLE_NS_ROUNDING=1 (by default it asserts on some of these traces) and its last step.

The files are recorded traces repeated K times, text for text, with fresh times, correlation, External and sequence
ids, so that they read like one long recording. They lie in a temporary folder and are deleted.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from machine import describe

HERE = Path(__file__).resolve().parent
TRACES = HERE.parent.parent / "shared" / "traces" / "h100"
HTA = "HolisticTraceAnalysis==0.5.0"
SEPARATOR = "\n  },\n  {"
GAP_NS = 50_000

# What is repeated to make a file of about so many MB, and how often.
CASES = {
    "10": ("gpt2_bf16_b8_compile", 1),
    "43": ("gpt2_bf16_b8", 2),
    "43-resnet": ("resnet50_bf16_cl_b64", 3),
    "500": ("gpt2_bf16_b8", 23),
    "500-resnet": ("resnet50_bf16_cl_b64", 35),
    "500-stacks": ("mlp_small", 57),
}

OURS = """
import json, sys
from perfkit.trace.kineto import read
from perfkit.analyze.device import device_view, kernel_labels
from perfkit.analyze.kernels import kernel_table
from perfkit.analyze.launches import join
from perfkit.analyze.traced_steps import steps_of
events = read(sys.argv[1]).events
window = steps_of(events)
work = join(events, window)
labels = kernel_labels(events, work)
view = device_view(events, window, work, labels)
table = kernel_table(events, work, labels, window.count)
print(json.dumps({"events": len(events), "raw_busy": view.busy_share_raw, "busy": view.busy_share,
                  "share_sum": sum(s.share for s in view.breakdown), "top": [row.name for row in table[:3]]}))
"""

THEIRS = """
import json, logging, sys, warnings
warnings.simplefilter("ignore")
logging.disable(logging.CRITICAL)
from hta.trace_analysis import TraceAnalysis
analysis = TraceAnalysis(trace_files={0: sys.argv[1]}, include_last_profiler_step=True)
temporal = analysis.get_temporal_breakdown(visualize=False)
kinds, kernels = analysis.get_gpu_kernel_breakdown(visualize=False)
idle = analysis.get_idle_time_breakdown(ranks=[0], visualize=False)
row = temporal.iloc[0]
print(json.dumps({"raw_busy": 1 - float(row["idle_time(us)"]) / float(row["kernel_time(us)"]),
                  "top": kernels[kernels["name"] != "others"].sort_values("sum (us)", ascending=False)["name"].tolist()[:3]}))
"""


def main() -> None:
    options = _options()
    if options.generate:
        generate(Path(options.generate[0]), int(options.generate[1]), Path(options.generate[2]))
        return
    with tempfile.TemporaryDirectory(prefix="perfkit-ingest-") as folder:
        result = measure(options, Path(folder))
    text = json.dumps(result, indent=1) + "\n"
    if options.output == "-":
        print(text)
    else:
        Path(options.output).write_text(text)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--rounds", type=int, default=5, help="per file up to 100 MB (default 5)")
    parser.add_argument("--rounds-large", type=int, default=3, help="per larger file (default 3)")
    parser.add_argument("--hta-python", help="a Python that has HTA (default: a fresh environment)")
    parser.add_argument("--no-agreement", action="store_true", help="leave out the comparison of the busy times")
    parser.add_argument("--output", default=str(HERE.parent / "results" / "ingest.json"))
    parser.add_argument("--generate", nargs=3, metavar=("TRACE", "COPIES", "FILE"), help=argparse.SUPPRESS)
    return parser.parse_args()


def measure(options: argparse.Namespace, folder: Path) -> dict:
    python = options.hta_python or make_hta(folder)
    result = {
        "schema_version": 1,
        "made_by": "benchmarks/ingest.py",
        "date": datetime.now(tz=UTC).isoformat(timespec="seconds"),
        "machine": describe(),
        "what": "whole processes, page cache warm; perfkit: read + device view + kernel table; "
        f"{HTA}: load + temporal + kernel + idle breakdown, HTA_DISABLE_NS_ROUNDING=1, last step included",
        "load_average_at_start": os.getloadavg()[0],
        "targets": {"500 MB": "≥ 20× speed, ≤ 1/10 memory", "43 MB": "≥ 10× speed, ≤ 1/3 memory",
                    "memory": "≤ 100 MB + 80 B per event"},
        "sizes": [measure_size(size, folder, python, options) for size in options.sizes],
    }  # fmt: skip
    if not options.no_agreement:
        result["agreement"] = agreement(python, folder)
    return result


def measure_size(size: str, folder: Path, python: str, options: argparse.Namespace) -> dict:
    name, copies = CASES[size]
    file = folder / f"{name}-{copies}.json"
    command = [sys.executable, __file__, "--generate", str(TRACES / f"{name}.json.gz"), str(copies), str(file)]
    subprocess.run(command, check=True)
    megabytes = file.stat().st_size / 1e6
    objects = count_objects(file)
    rounds = options.rounds if megabytes < 100 else options.rounds_large
    ours, theirs = [], []
    for number in range(rounds):
        ours.append(timed([sys.executable, "-c", OURS, str(file)]))
        theirs.append(timed([python, "-c", THEIRS, str(file)]))
        print(f"{size}: round {number + 1}/{rounds}: perfkit {ours[-1]['s']:.2f} s {ours[-1]['mb']:.0f} MB, "
              f"HTA {theirs[-1]['s']:.2f} s {theirs[-1]['mb']:.0f} MB", file=sys.stderr)  # fmt: skip
    file.unlink()
    return compared(size, name, copies, megabytes, objects, ours, theirs)


def compared(
    size: str, name: str, copies: int, megabytes: float, objects: int, ours: list[dict], theirs: list[dict]
) -> dict:
    memory = statistics.median(run["mb"] for run in ours)
    return {
        "size": size,
        "made_from": f"{name} × {copies}",
        "file_mb": round(megabytes, 1),
        "objects": objects,
        "perfkit": spread(ours),
        "hta": spread(theirs),
        "times_faster": round(statistics.median(r["s"] for r in theirs) / statistics.median(r["s"] for r in ours), 1),
        "times_less_memory": round(statistics.median(r["mb"] for r in theirs) / memory, 1),
        "memory_bound_mb": round(100 + objects * 80 / 1e6, 1),
        "busy_share": {"perfkit": ours[-1]["out"]["raw_busy"], "hta": theirs[-1]["out"]["raw_busy"]},
        "same_top_kernels": ours[-1]["out"]["top"] == theirs[-1]["out"]["top"],
    }


def spread(runs: list[dict]) -> dict:
    seconds, memory = sorted(run["s"] for run in runs), [run["mb"] for run in runs]
    return {
        "median_s": round(statistics.median(seconds), 3),
        "range_s": [round(seconds[0], 3), round(seconds[-1], 3)],
        "n": len(runs),
        "peak_mb": round(statistics.median(memory), 1),
    }


def timed(command: list[str]) -> dict:
    """Wall time and peak resident memory of a process, and the JSON it prints."""
    environ = {**os.environ, "HTA_DISABLE_NS_ROUNDING": "1", "OMP_NUM_THREADS": "1"}
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environ, text=True)
    assert process.stdout is not None
    assert process.stderr is not None
    out = process.stdout.read()
    problem = process.stderr.read()
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command[0]} failed:\n{problem[-2000:]}")
    return {"s": seconds, "mb": usage.ru_maxrss * 1024 / 1e6, "out": json.loads(out.strip().splitlines()[-1])}


def agreement(python: str, folder: Path) -> dict:
    """Busy share by time of each recorded trace, by both."""
    rows = []
    for trace in sorted(TRACES.glob("*.json.gz")):
        ours = timed([sys.executable, "-c", OURS, str(trace)])["out"]
        theirs = timed([python, "-c", THEIRS, str(trace)])["out"]
        row = {
            "trace": trace.name.removesuffix(".json.gz"),
            "perfkit_busy": round(ours["raw_busy"], 4),
            "hta_busy": round(theirs["raw_busy"], 4),
            "difference_points": round(100 * (ours["raw_busy"] - theirs["raw_busy"]), 2),
            "busy_by_launch": round(ours["busy"], 4),
            "share_sum": round(ours["share_sum"], 6),
            "same_top_kernels": ours["top"] == theirs["top"],
        }
        if abs(row["difference_points"]) > 1:
            row |= _without_host_streams(trace, folder, python, ours)
        rows.append(row)
    return {
        "what": "busy share by time, first to last device activity. HTA takes host operators that carry an argument "
        "named stream (Inductor's triton operators do) for device work; where the two differ by more than a point, "
        "HTA is asked again with that argument removed from the host operators and nothing else changed",
        "traces": rows,
    }


def _without_host_streams(trace: Path, folder: Path, python: str, ours: dict) -> dict:
    document = json.loads(gzip.decompress(trace.read_bytes()))
    hosts = [event for event in document["traceEvents"] if event.get("cat") == "cpu_op"]
    removed = sum(event.get("args", {}).pop("stream", None) is not None for event in hosts)
    file = folder / "without_host_streams.json"
    file.write_text(json.dumps(document))
    theirs = timed([python, "-c", THEIRS, str(file)])["out"]
    file.unlink()
    return {
        "host_operators_with_stream": removed,
        "hta_busy_without_them": round(theirs["raw_busy"], 4),
        "difference_points_without_them": round(100 * (ours["raw_busy"] - theirs["raw_busy"]), 2),
        "same_top_kernels_without_them": ours["top"] == theirs["top"],
    }


def make_hta(folder: Path) -> str:
    """A virtual environment with HTA; returns its Python."""
    home = folder / "hta"
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    python = home / "bin" / "python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", HTA], check=True)
    return str(python)


def count_objects(file: Path) -> int:
    """Events of all kinds in a generated file."""
    with file.open("rb") as source:
        return 1 + sum(1 for line in source if line == b"  },\n")


# --- making the files


def generate(trace: Path, copies: int, file: Path) -> None:
    """Write *trace* repeated *copies* times, as if it were one recording."""
    text = gzip.decompress(trace.read_bytes()).decode()
    start = text.index('"traceEvents": [') + len('"traceEvents": [')
    end = text.rindex("\n  ],")
    events = text[start:end].strip()[1:-1].strip("\n").split(SEPARATOR)
    once = [event for event in events if _only_once(event)]
    repeated = ("\n  {" + SEPARATOR.join(e for e in events if not _only_once(e)) + "\n  }").replace("{\n\n", "{\n")
    shifts = Shifts(repeated)
    with file.open("w") as sink:
        sink.write(text[:start])
        for copy in range(copies):
            sink.write(shifts.applied(repeated, copy) + ",")
        sink.write("\n  {" + SEPARATOR.join(once).strip("\n").join(("\n", "\n  }")) + text[end:])


def _only_once(event: str) -> bool:
    return '"ph": "M"' in event or '"cat": "Trace"' in event or '"ph": "i", "s": "g"' in event


class Shifts:
    """How far each kind of number moves from one copy to the next."""

    FIELD = re.compile(
        r'("ts": |"correlation": |"id": |"External id": |"Ev Idx": |"Sequence number": |"Python id": '
        r'|"Python parent id": |ProfilerStep#)(\d+)(\.\d+)?'
    )

    def __init__(self, text: str) -> None:
        low: dict[str, int] = {}
        high: dict[str, int] = {}
        for field, whole, fraction in self.FIELD.findall(text):
            value = int(whole + fraction[1:].ljust(3, "0")) if field == '"ts": ' else int(whole)
            low[field] = min(low.get(field, value), value)
            high[field] = max(high.get(field, value), value)
        self.step = {field: high[field] - low[field] + 1 for field in low}
        self.step['"ts": '] += GAP_NS + self._last_duration(text)
        self.step['"id": '] = self.step['"correlation": '] = max(self.step['"id": '], self.step['"correlation": '])

    @staticmethod
    def _last_duration(text: str) -> int:
        """Roughly how long after the last start its event ends: the largest kernel."""
        found = re.findall(r'"cat": "kernel".*?"dur": (\d+)', text[-2_000_000:], re.DOTALL)
        return 1000 * max((int(value) for value in found), default=0)

    def applied(self, text: str, copy: int) -> str:
        """The text of one copy."""
        if copy == 0:
            return text
        add = {field: step * copy for field, step in self.step.items()}

        def shifted(match: re.Match[str]) -> str:
            field, whole, fraction = match.groups()
            if field != '"ts": ':
                return f"{field}{int(whole) + add[field]}"
            value = int(whole + (fraction or ".000")[1:]) + add[field]
            return f"{field}{value // 1000}.{value % 1000:03d}"

        return self.FIELD.sub(shifted, text)


if __name__ == "__main__":
    main()
