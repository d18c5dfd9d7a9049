"""The rules of others, by their own code, on the recorded samples.

Each is given samples as its own timing would have made them: so many processes of each side, each with so many values of so long. The packages are
imported where they are used; a rule whose package is not installed is left out, and that is said.
"""

import math
import statistics
from collections import Counter
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import numpy as np

from perfkit.stats.proportion import upper

# Its samples are of 10 ms or more, five of each process when there are two rounds.
ASV_SAMPLE_S, ASV_REPEAT = 0.01, 5
PYPERF_VALUES = 3
CONFIDENCE, RESAMPLES = 0.95, 50_000
# Fewer runs than this of a rule: they may share pairs.
LEAST_WINDOWS = 10
# Judged by a rule that takes a second each time, of each effect and way of running.
MOST_SLOW = 40


@dataclass(frozen=True, kw_only=True)
class Peer:
    """One rule. *judge* takes the samples of base and head [process][sample] and the number of benchmarks judged together."""

    name: str
    package: str
    judge: object
    #: Processes of each side.
    pairs: int
    #: Seconds of one of its samples, at least: calls after one another are averaged to that.
    span_s: float = 0.0
    #: Whether it is also used with a base that was recorded before.
    stored: bool = True
    slow: bool = False

    @property
    def installed(self):
        try:
            return version(self.package)
        except PackageNotFoundError:
            return None


def compare_fail(expression):
    """pytest-benchmark's --benchmark-compare-fail."""

    def judge(base, head, _family):
        from pytest_benchmark.stats import Stats
        from pytest_benchmark.utils import parse_compare_fail

        check = parse_compare_fail(expression)
        told = []
        for samples in (base, head):
            stats = Stats()
            for value in samples[0]:
                stats.update(float(value))
            told.append({check.field: getattr(stats, check.field)})
        return ("regressed" if check.fails(told[1], told[0]) else "same"), None

    return judge


def continuous(factor):
    """asv continuous: samples of both rounds together."""

    def judge(base, head, _family):
        from asv.commands.compare import _is_result_better
        from asv_runner.statistics import compute_stats

        pooled = [[value for process in side for value in process[:ASV_REPEAT]] for side in (base, head)]
        (old, old_stats), (new, new_stats) = (compute_stats(samples, 1) for samples in pooled)
        old_seen, new_seen = (old_stats, pooled[0]), (new_stats, pooled[1])
        if _is_result_better(old, new, old_seen, new_seen, factor):
            return "regressed", None
        return ("improved" if _is_result_better(new, old, new_seen, old_seen, factor) else "same"), None

    return judge


def compare_to(min_speed):
    """pyperf compare_to, which takes a difference for one where Student's test of all values says so."""

    def judge(base, head, _family):
        import pyperf
        from pyperf._compare import CompareData, CompareResult

        def benchmark(side):
            values = [[float(part.mean()) for part in np.array_split(process, PYPERF_VALUES)] for process in side]
            return pyperf.Benchmark(
                [pyperf.Run(each, metadata={"name": "work"}, collect_metadata=False) for each in values]
            )

        found = CompareResult(CompareData("base", benchmark(base)), CompareData("head", benchmark(head)), min_speed)
        if not found.significant:
            return "same", None
        return ("regressed" if found.norm_mean > 1 else "improved"), None

    return judge


def paired_bootstrap(threshold):
    """benchmatrix compare of paired runs, AB and BA in turn: the mean of each process."""

    def judge(base, head, family):
        means = tuple(tuple(float(process.mean()) for process in side) for side in (base, head))
        low, high = interval(*means, family)
        if high < -threshold:
            verdict = "regressed"
        elif low > threshold:
            verdict = "improved"
        else:
            verdict = "same" if low >= -threshold and high <= threshold else "inconclusive"
        # Its per cent are of improvement.
        return verdict, (-high / 100, -low / 100)

    return judge


@cache
def interval(base, head, family):
    """Its simultaneous interval for *family* benchmarks, in per cent (more is faster)."""
    from benchmatrix.bench_compare import _adjusted_confidence_level
    from benchmatrix.bench_statistics import bootstrap_paired_median_ratio_interval

    found = bootstrap_paired_median_ratio_interval(
        base, head, lower_is_better=True, resamples=RESAMPLES, random_seed=0, strata=[("AB", "BA")[number % 2] for number in range(len(base))],
        confidence_level=_adjusted_confidence_level(CONFIDENCE, family_size=family, multiplicity="bonferroni"),
    )  # fmt: skip
    return found.low, found.high


PEERS = (
    Peer(name="pytest-benchmark min:5%", package="pytest-benchmark", judge=compare_fail("min:5%"), pairs=1),
    Peer(name="pytest-benchmark mean:10%", package="pytest-benchmark", judge=compare_fail("mean:10%"), pairs=1),
    Peer(name="asv continuous (factor 1.1, its default)", package="asv", judge=continuous(1.1), pairs=2, span_s=ASV_SAMPLE_S),
    Peer(name="asv continuous --factor 1.01", package="asv", judge=continuous(1.01), pairs=2, span_s=ASV_SAMPLE_S),
    Peer(name="pyperf compare_to", package="pyperf", judge=compare_to(None), pairs=20),
    Peer(name="pyperf compare_to --min-speed 1", package="pyperf", judge=compare_to(1.0), pairs=20),
    Peer(name="benchmatrix, 6 pairs (5 %, its default)", package="benchmatrix", judge=paired_bootstrap(5.0), pairs=6, stored=False, slow=True),
    Peer(name="benchmatrix, 6 pairs, 1 %", package="benchmatrix", judge=paired_bootstrap(1.0), pairs=6, stored=False, slow=True),
)  # fmt: skip


def spans(samples, covers_s, wanted_s):
    """Means of as many *samples* after one another, each of *covers_s* or else one call, as take *wanted_s*."""
    each = max(1, math.ceil(wanted_s / max(covers_s, statistics.median(samples))))
    return np.array([np.mean(samples[at : at + each]) for at in range(0, len(samples) - each + 1, each)])


def judged(peer, recorded, how):
    """What a rule says of recorded samples run *how* (in turns, one after the other, stored base): a row of the result."""
    told = {"rule": peer.name, "code": f"{peer.package} {peer.installed}", "samples": how, "pairs": peer.pairs}
    windows = windowed(len(recorded), peer, how)
    if not windows:
        return told | {"left out": f"{len(recorded)} rounds are too few"}
    told["windows"] = {
        "count": len(windows), "share_processes": len(windows) > 1 and windows[1][0][0] < peer.pairs,
        "base_earlier_by_rounds": windows[0][1][0] - windows[0][0][0],
    }  # fmt: skip
    effects = {f"{effect:.0%}": rates(peer, recorded, windows, effect) for effect in recorded.effects()}
    return told | {"effects": effects, "suite": suite(peer, recorded, windows)}


def windowed(rounds, peer, how):
    """(numbers of base's rounds, of head's) for each time the rule is used; as many as there are without using a process twice, at least
    `LEAST_WINDOWS` where sharing some gives that many.
    """
    lag = rounds // 2 if how == "stored base" else 0
    last = rounds - peer.pairs - lag
    if last < 0:
        return []
    step = max(1, min(peer.pairs, last // (LEAST_WINDOWS - 1)))
    return [(range(at, at + peer.pairs), range(at + lag, at + lag + peer.pairs)) for at in range(0, last + 1, step)]


def rates(peer, recorded, windows, effect):
    """How often it gives each verdict where head has so much more work."""
    asked = [(window, case) for window in windows for case in recorded.of(effect)]
    if peer.slow:
        asked = asked[:: math.ceil(len(asked) / MOST_SLOW)]
    found = [verdict(peer, recorded, window, case, 1) for window, case in asked]
    said, runs = Counter(each for each, _ in found), len(found)
    rows = {each: said[each] / runs for each in ("regressed", "improved", "same", "inconclusive")}
    bounds = [each for _, each in found if each is not None]
    held = sum(low <= effect <= high for low, high in bounds) / len(bounds) if bounds else None
    return rows | {"changed": rows["regressed"] + rows["improved"], "runs": runs, "interval_holds": held}


def suite(peer, recorded, windows):
    """How often it calls any of the benchmarks without a change changed, judging them together."""
    cases = recorded.of(0.0)
    if not cases:
        return None
    if peer.slow:
        windows = windows[:: math.ceil(len(windows) * len(cases) / (2 * MOST_SLOW))]
    wrong = sum(
        any(verdict(peer, recorded, window, case, len(cases))[0] in ("regressed", "improved") for case in cases)
        for window in windows
    )
    return {
        "benchmarks": len(cases), "any_changed": wrong / len(windows), "suites": len(windows), "any_changed_upper95": upper(wrong, len(windows)),
    }  # fmt: skip


def verdict(peer, recorded, window, case, family):
    base, head = (
        [spans(process, recorded.sample_s, peer.span_s) for process in recorded.seconds[list(rounds), side, case]]
        for side, rounds in enumerate(window)
    )
    return peer.judge(base, head, family)
