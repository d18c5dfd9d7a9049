"""perfkit's scenarios beside MLPerf's own LoadGen, on a model that takes some 5 ms.

    python benchmarks/loadgen.py                       rounds in turn, to results/loadgen.json
    python benchmarks/loadgen.py --peer SCENARIO       one run of LoadGen, as JSON (what the rounds start as processes)
    python benchmarks/loadgen.py --own SCENARIO        one run of perfkit's, likewise

Needs the package mlcommons-loadgen. The model sleeps for 5 ms a sample: no processor's speed enters, so that what is compared is when queries are sent and
how they are counted. For the server scenario both send Poisson queries, each its own draw, so their p99 differ by chance; many queries
and several rounds make that small. A stall of 50 ms in every 200th call is measured by both as well: it must show as queueing.
"""

import argparse
import json
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from machine import RESULTS, spread, write

SCENARIOS = ("single-stream", "multi-stream", "server", "offline")
SAMPLE_S, STALL_S, STALL_EVERY = 0.005, 0.05, 200
RATE, PER_QUERY = 100.0, 8
WITHIN = 0.05
FIGURES = {
    "single-stream": ("p50", "p90"),
    "multi-stream": ("p50", "p99"),
    "server": ("p50", "p90"),
    "offline": ("samples_per_s",),
}


class Model:
    """Sleeps for each sample; with *stalls* longer in some calls."""

    def __init__(self, sample_s, *, stalls=False):
        self.sample_s, self.stalls, self.calls = sample_s, stalls, 0

    def __call__(self, samples):
        self.calls += 1
        late = STALL_S if self.stalls and self.calls % STALL_EVERY == 0 else 0.0
        if self.sample_s:
            time.sleep(self.sample_s * samples + late)
        return samples


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peer", choices=SCENARIOS)
    parser.add_argument("--own", choices=SCENARIOS)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stalls", action="store_true")
    parser.add_argument(
        "--nothing", action="store_true", help="a model that answers at once: what the generator itself takes"
    )
    parser.add_argument("--alone", action="store_true", help="measure that again, and add it to results/loadgen.json")
    options = parser.parse_args()
    if options.peer:
        print(json.dumps(peer(options.peer, options.seconds, model(options))))
    elif options.own:
        print(json.dumps(own(options.own, options.seconds, model(options))))
    elif options.alone:
        known = json.loads((RESULTS / "loadgen.json").read_text())
        write("loadgen", {key: value for key, value in known.items() if key != "machine"} | {"alone": alone()})
    else:
        write("loadgen", compared(options.rounds, options.seconds))


def model(options):
    return Model(0.0 if options.nothing else SAMPLE_S, stalls=options.stalls)


def alone():
    """p50 of a server that answers at once: of LoadGen with a system under test in Python, and of ours. It is in every latency."""
    taken = {who: [one(who, "server", False, 8, "--nothing")["p50"] for _ in range(3)] for who in ("peer", "own")}
    return {"loadgen_s": spread(taken["peer"]), "own_s": spread(taken["own"])}


# -- rounds ------------------------------------------------------------------------------------------------------------


def compared(rounds, seconds):
    cases = [(name, False) for name in SCENARIOS] + [("server", True)]
    taken = {case: {"peer": [], "own": []} for case in cases}
    for number in range(rounds):
        for case in cases:
            for who in ("peer", "own") if number % 2 == 0 else ("own", "peer"):
                taken[case][who].append(one(who, *case, seconds))
        print(f"round {number + 1} of {rounds}", file=sys.stderr, flush=True)
    rows = [row(case, taken[case]) for case in cases]
    return {
        "made_by": "benchmarks/loadgen.py", "sample_s": SAMPLE_S, "rate_per_s": RATE, "seconds": seconds,
        "within": WITHIN, "agree": all(told["agree"] for told in rows if told["agree"] is not None), "cases": rows,
        "alone": alone(),
    }  # fmt: skip


def one(who, scenario, stalls, seconds, *more):
    words = [
        sys.executable,
        __file__,
        f"--{who}",
        scenario,
        "--seconds",
        str(seconds),
        *(["--stalls"] if stalls else []),
        *more,
    ]
    return json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout.splitlines()[-1])


def row(case, taken):
    scenario, stalls = case
    figures = ("p50", "p90", "p99") if stalls else FIGURES[scenario]
    told = {}
    for figure in figures:
        pairs = [(own[figure], peer[figure]) for own, peer in zip(taken["own"], taken["peer"], strict=True)]
        own, peer = spread([a for a, _ in pairs]), spread([b for _, b in pairs])
        told[figure] = {"own": own, "loadgen": peer, "ratio": own["median"] / peer["median"]}
    # Where calls stall at other moments for each, what is compared is that both see the queues.
    agree = None if stalls else all(abs(found["ratio"] - 1) <= WITHIN for found in told.values())
    return {"scenario": scenario, "stalls": stalls, "figures": told, "agree": agree}


# -- perfkit's ---------------------------------------------------------------------------------------------------------


def own(scenario, seconds, ask):
    from perfkit.bench import scenarios
    from perfkit.stats.quantiles import quantile

    if scenario == "offline":
        measured = scenarios.offline(ask, samples=int(seconds / SAMPLE_S), batch=PER_QUERY)
    elif scenario == "server":
        measured = scenarios.server(ask, per_s=RATE, seconds=seconds, least=662)
    else:
        samples = PER_QUERY if scenario == "multi-stream" else 1
        measured = scenarios.one_after_another(ask, samples=samples, seconds=seconds, least=64, scenario=scenario)
    found = {
        name: quantile(measured.latencies_s, share).value for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }
    return {**found, "samples_per_s": measured.samples_per_s, "queries": len(measured.latencies_s)}


# -- LoadGen's ---------------------------------------------------------------------------------------------------------


def peer(scenario, seconds, ask):
    import mlperf_loadgen

    with tempfile.TemporaryDirectory() as folder:
        served = Served(mlperf_loadgen, ask, at_once=scenario == "server")
        run(mlperf_loadgen, served, settings(mlperf_loadgen, scenario, seconds), folder)
        summary = (Path(folder) / "mlperf_log_summary.txt").read_text()
    return {**read(summary), "queries": served.queries}


class Served:
    """A system under test of LoadGen's: one worker that answers queries in the order in which they came.

    A thread of ours; or, *at_once*, the thread that LoadGen asks in: a query that is due meanwhile is sent late, and its latency counts from when it
    was due, so the queue is the same one. Handing each query to another thread takes Python a quarter of a millisecond, which is LoadGen's binding's and no model's.
    """

    def __init__(self, loadgen, model, *, at_once=False):
        self.loadgen, self.model, self.queries, self.at_once = loadgen, model, 0, at_once
        self.waiting = queue.SimpleQueue()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def issue(self, samples):
        self.queries += 1
        ids = [sample.id for sample in samples]
        if self.at_once:
            self.answer(ids)
        else:
            self.waiting.put(ids)

    def work(self):
        while (ids := self.waiting.get()) is not None:
            self.answer(ids)

    def answer(self, ids):
        for first in range(0, len(ids), PER_QUERY):
            part = ids[first : first + PER_QUERY]
            self.model(len(part))
            self.loadgen.QuerySamplesComplete([self.loadgen.QuerySampleResponse(number, 0, 0) for number in part])


def settings(loadgen, scenario, seconds):
    made = loadgen.TestSettings()
    made.mode = loadgen.TestMode.PerformanceOnly
    made.min_duration_ms = int(seconds * 1000)
    if scenario == "single-stream":
        made.scenario, made.min_query_count = loadgen.TestScenario.SingleStream, 64
        made.single_stream_expected_latency_ns = int(SAMPLE_S * 1e9)
    elif scenario == "multi-stream":
        made.scenario, made.min_query_count = loadgen.TestScenario.MultiStream, 64
        made.multi_stream_samples_per_query = PER_QUERY
        made.multi_stream_expected_latency_ns = int(PER_QUERY * SAMPLE_S * 1e9)
    elif scenario == "server":
        made.scenario, made.min_query_count = loadgen.TestScenario.Server, 662
        made.server_target_qps, made.server_target_latency_ns = RATE, int(1e9)
    else:
        made.scenario, made.min_query_count = loadgen.TestScenario.Offline, 1
        made.offline_expected_qps = 1 / SAMPLE_S
    return made


def run(loadgen, served, wanted, folder):
    outputs = loadgen.LogOutputSettings()
    outputs.outdir, outputs.copy_summary_to_stdout = folder, False
    logs = loadgen.LogSettings()
    logs.log_output, logs.enable_trace = outputs, False
    system = loadgen.ConstructSUT(served.issue, lambda: None)
    library = loadgen.ConstructQSL(1024, 1024, lambda _: None, lambda _: None)
    loadgen.StartTestWithLogSettings(system, library, wanted, logs, "")
    loadgen.DestroyQSL(library)
    loadgen.DestroySUT(system)
    served.waiting.put(None)
    served.thread.join()


def read(summary):
    """Percentiles in s and throughput, from LoadGen's summary."""
    found = {}
    for name, text in (("p50", "50.00"), ("p90", "90.00"), ("p99", "99.00")):
        match = re.search(rf"{text} percentile latency \(ns\)\s*:\s*(\d+)", summary)
        found[name] = int(match[1]) / 1e9 if match else None
    match = re.search(r"Samples per second: ([\d.]+)", summary)
    found["samples_per_s"] = float(match[1]) if match else None
    return found


if __name__ == "__main__":
    main()
