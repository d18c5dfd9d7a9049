"""Benchmarks a model's inference: warm up, check the outputs, run the scenarios and sweeps, and tell it as one document."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ..errors import UsageError
from ..hardware import detect
from ..stats.quantiles import PERCENTILES, needed, quantile
from ..stats.steady import warmup_end
from . import outputs, scenarios, sweep
from .scenarios import SAMPLES_PER_QUERY, Measured
from .subject import Subject

SCENARIOS = ("single-stream", "multi-stream", "server", "offline")
#: The percentile that a scenario is judged by (MLPerf's rules); offline has none.
JUDGED_BY = {"single-stream": 0.90, "multi-stream": 0.99, "server": 0.99}
#: Calls before anything is measured: until they are steady, but no more, and no longer, than this.
WARM_CALLS, WARM_S = 200, 10.0
LEAST_WARM_CALLS = 10
#: Of what one worker can do, what the server scenario offers where no rate was asked for.
OFFERED = 0.7
#: Samples of the offline scenario, where its time is not up before.
OFFLINE_BATCHES = 24
MOST_CLIENTS = 64

Row = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What a person asked for."""

    scenarios: tuple[str, ...] = SCENARIOS
    seconds: float = 5.0
    #: Queries per second of the server scenario; None: `OFFERED` of what one worker can do.
    rate: float | None = None
    #: What p99 of the server scenario may be, in s; None: anything.
    limit_s: float | None = None
    workers: int = 1
    batch: int = 1
    samples_per_query: int = SAMPLES_PER_QUERY
    batches: tuple[int, ...] = ()
    #: Whether to go on with more and more clients, until that stops paying.
    clients: bool = False
    check: Path | None = None
    keep: Path | None = None
    rtol: float | None = None
    atol: float | None = None
    seed: int = 0


@dataclass(kw_only=True)
class Bench:
    """One benchmark under way. *say* takes a line about what is being done."""

    subject: Subject
    make: Callable[[int], Any]
    wanted: Wanted
    say: Callable[[str], None] = lambda _: None
    _inputs: dict[int, Any] = field(default_factory=dict)

    def run(self) -> Row:
        """Everything that was asked for, as the document that ``--json`` writes. Raises UsageError for inputs that the model does not take."""
        unknown = [name for name in self.wanted.scenarios if name not in SCENARIOS]
        if unknown:
            raise UsageError(f"no scenario {unknown[0]!r}; there are: {', '.join(SCENARIOS)}")
        first_s, answer = self._first()
        document: Row = {
            "schema_version": 1,
            "model": {"spec": self.subject.spec, "kind": self.subject.kind, "framework": self.subject.framework},
            "machine": detect.host_facts(),
            "first_call_s": first_s,
            "outputs": self._outputs(answer),
            "warm_up": self._warm_up(),
            "scenarios": [],
            "batches": None,
            "clients": None,
        }
        for name in self.wanted.scenarios:
            self.say(f"{name} …")
            document["scenarios"].append(self._told(getattr(self, "_" + name.replace("-", "_"))(document)))
        document["batches"] = self._batches() if self.wanted.batches else None
        document["clients"] = self._clients() if self.wanted.clients else None
        return document

    def ask(self, samples: int) -> Any:
        """Ask for so many samples; inputs of a size are made once."""
        if samples not in self._inputs:
            self._inputs[samples] = self.make(samples)
        return self.subject.ask(self._inputs[samples])

    # -- before

    def _first(self) -> tuple[float, Any]:
        self._inputs[self.wanted.batch] = self.make(self.wanted.batch)
        begun = time.perf_counter()
        try:
            answer = self.ask(self.wanted.batch)
        except Exception as error:
            reason = " ".join(str(error).split())[:300]
            raise UsageError(
                f"{self.subject.spec} does not take these inputs: {type(error).__name__}: {reason}"
            ) from error
        return time.perf_counter() - begun, answer

    def _outputs(self, answer: Any) -> Row:
        wanted = self.wanted
        if wanted.keep is not None:
            outputs.keep(wanted.keep, answer)
        if wanted.check is None:
            return {"checked": False, "kept": str(wanted.keep) if wanted.keep else None, "mismatch": None}
        found = outputs.difference(answer, outputs.kept(wanted.check), rtol=wanted.rtol, atol=wanted.atol)
        return {"checked": True, "kept": str(wanted.keep) if wanted.keep else None, "mismatch": found}

    def _warm_up(self) -> Row:
        """Calls until they are steady: the cut of all calls so far lies in their first half."""
        self.say("warm-up …")
        took: list[float] = []
        begun = time.perf_counter()
        while len(took) < WARM_CALLS and time.perf_counter() - begun < WARM_S:
            before = time.perf_counter()
            self.ask(self.wanted.batch)
            took.append(time.perf_counter() - before)
            if len(took) >= LEAST_WARM_CALLS and len(took) % 5 == 0 and warmup_end(took) <= len(took) // 3:
                break
        return {"calls": len(took), "cut": warmup_end(took), "seconds": time.perf_counter() - begun}

    # -- scenarios

    def _single_stream(self, _: Row) -> Measured:
        return self._closed("single-stream", self.wanted.batch)

    def _multi_stream(self, _: Row) -> Measured:
        self.ask(self.wanted.samples_per_query)  # a size that has not been seen may be compiled for
        return self._closed("multi-stream", self.wanted.samples_per_query)

    def _closed(self, name: str, samples: int) -> Measured:
        least = needed(JUDGED_BY[name])
        return scenarios.one_after_another(
            self.ask, samples=samples, seconds=self.wanted.seconds, least=least, scenario=name
        )

    def _server(self, document: Row) -> Measured:
        self.ask(1)
        rate = self.wanted.rate or OFFERED * self._answers_per_s(document) * self.wanted.workers
        return scenarios.server(
            self.ask, per_s=rate, seconds=self.wanted.seconds, least=needed(JUDGED_BY["server"]), workers=self.wanted.workers,
            seed=self.wanted.seed,
        )  # fmt: skip

    def _answers_per_s(self, document: Row) -> float:
        """What one worker answers per second, by the single stream, or by a few calls."""
        told = next(
            (row for row in document["scenarios"] if row["scenario"] == "single-stream" and self.wanted.batch == 1),
            None,
        )
        if told is not None:
            return float(told["samples_per_s"])
        return scenarios.one_after_another(self.ask, samples=1, seconds=0.5, least=10, scenario="probe").samples_per_s

    def _offline(self, _: Row) -> Measured:
        batch = max(self.wanted.batch, max(self.wanted.batches, default=1))
        self.ask(batch)
        probe = scenarios.offline(self.ask, samples=2 * batch, batch=batch)
        wanted = int(self.wanted.seconds * probe.samples_per_s)
        samples = max(OFFLINE_BATCHES, -(-wanted // batch)) * batch
        return scenarios.offline(self.ask, samples=samples, batch=batch)

    def _told(self, measured: Measured) -> Row:
        judged = JUDGED_BY.get(measured.scenario)
        found = {name: _quantile(measured, share) for name, share in PERCENTILES.items()}
        row: Row = {
            "scenario": measured.scenario,
            "queries": int(measured.latencies_s.size),
            "samples_per_query": measured.samples_per_query,
            "seconds": measured.seconds,
            "samples_per_s": measured.samples_per_s,
            "offered_per_s": measured.offered_per_s,
            "workers": measured.workers,
            "latency": found if judged else None,
            "judged_by": f"p{round(100 * judged)}" if judged else "samples_per_s",
            "limit_s": self.wanted.limit_s if measured.scenario == "server" else None,
        }
        return row | {"verdict": _verdict(row, judged)}

    # -- sweeps

    def _batches(self) -> Row:
        rows: list[Row] = []
        for size in sorted(set(self.wanted.batches)):
            self.say(f"batches of {size} …")
            self.ask(size)
            rows.append(sweep.row(self._sweep_closed(size), size))
        parts = sweep.fixed_and_growing(rows)
        fit = None if parts is None else {"fixed_s": parts[0], "per_sample_s": parts[1]}
        return {"rows": rows, "knee": sweep.knee(rows, of_batches=True), "fit": fit}

    def _sweep_closed(self, size: int) -> Measured:
        return scenarios.one_after_another(
            self.ask, samples=size, seconds=self._short(), least=LEAST_WARM_CALLS, scenario="batches"
        )

    def _clients(self) -> Row:
        rows: list[Row] = []
        workers = 1
        while workers <= MOST_CLIENTS and not sweep.stops_paying(rows):
            self.say(f"{workers} clients …")
            measured = scenarios.at_once(self.ask, workers=workers, samples=self.wanted.batch, seconds=self._short())
            rows.append(sweep.row(measured, workers) | {"littles_law_off": sweep.in_the_way(measured)})
            workers *= 2
        return {"rows": rows, "knee": sweep.knee(rows)}

    def _short(self) -> float:
        """A line of a sweep takes a part of what a scenario takes."""
        return max(0.5, self.wanted.seconds / 3)


def _quantile(measured: Measured, share: float) -> Row:
    found = quantile(measured.latencies_s, share)
    return {**asdict(found), "enough": found.enough}


def _verdict(row: Row, judged: float | None) -> Row:
    """Whether a scenario's figure counts, and for a server whether it keeps its limit: {valid, kept, why}."""
    if judged is None:
        return {"valid": True, "kept": None, "why": ""}
    figure = row["latency"][row["judged_by"]]
    if not figure["enough"]:
        return {
            "valid": False,
            "kept": None,
            "why": f"{figure['count']} queries; {row['judged_by']} takes {figure['needed']}",
        }
    if row["limit_s"] is None:
        return {"valid": True, "kept": None, "why": ""}
    kept = figure["value"] <= row["limit_s"]
    return {"valid": True, "kept": bool(kept), "why": "" if kept else f"{row['judged_by']} is beyond the limit"}


def wrong(document: Row) -> bool:
    """Whether the outputs are not those that were kept."""
    return document["outputs"]["mismatch"] is not None


def slow(document: Row) -> bool:
    """Whether the server's limit was not kept."""
    return any(row["verdict"]["kept"] is False for row in document["scenarios"])
