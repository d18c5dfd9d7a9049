"""Evidence: everything that is known about a run, computed when it is asked for.

Rules and the report see a run only through this object. A fact that cannot be had is None, and
``why(name)`` says why. In a test, ``Evidence.literal(loader={"num_workers": 0}, cores=8)`` is a whole one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..runs import layout
from ..runs.status import Outcome, outcome
from .around_facts import AroundFacts
from .device_facts import DeviceFacts
from .lazy import Absent, Unavailable, lazy

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from ..analyze.trace_view import TraceAnalysis
    from ..model.records import Device, RunInfo
    from ..runs.reader import RankRecording, Run

Row = dict[str, Any]

NO_STEPS = "no step was seen"


class Evidence(AroundFacts, DeviceFacts):
    """What is known about one run. Attributes are facts: a value, or None and a reason (``why``)."""

    def __init__(self, run: Run | None = None, **given: Any) -> None:
        super().__init__(given, literal=run is None)
        self._run = run

    @classmethod
    def literal(cls, **given: Any) -> Evidence:
        """Evidence that consists of *given* and nothing else."""
        return cls(None, **given)

    @property
    def run(self) -> Run:
        """The run it is about. Raises Unavailable for literal evidence."""
        if self._run is None:
            raise Unavailable("this evidence is literal")
        return self._run

    # --- the run itself

    @lazy
    def info(self) -> RunInfo:
        """run.json."""
        return self.run.info

    @lazy
    def outcome(self) -> Outcome:
        """Status now, checked against the processes."""
        return outcome(self.run)

    @lazy
    def cores(self) -> int:
        """Cores that each rank may use: affinity and cgroup quota, divided between the ranks of this host."""
        host = self.need("info").host
        usable = host.get("usable_cores") or host.get("allowed_cores") or host.get("logical_cores")
        if not usable:
            raise Unavailable("the number of cores was not recorded")
        return max(1, int(usable // (self.rank_count or 1)))

    @lazy
    def rank_count(self) -> int:
        """Number of ranks that recorded."""
        return len({recording.rank for recording in self.need("recordings")})

    @lazy
    def instruction_sets(self) -> list[str]:
        """Instruction sets of the processor that matter to numerical kernels, such as avx512 and amx_bf16."""
        found = self.need("info").host.get("instruction_sets")
        if not found:
            raise Unavailable("the processor's instruction sets were not recorded")
        return list(found)

    @lazy
    def gpu(self) -> Device:
        """The first accelerator that the script could see."""
        devices: list[Device] = self.need("info").devices
        for device in devices:
            if device.kind != "cpu":
                return device
        raise Absent("no accelerator was visible to the script")

    # --- steps

    @lazy
    def recordings(self) -> list[RankRecording]:
        """Recordings that hold marks, by rank and restart; never empty."""
        found = [recording for recording in self.run.ranks if len(recording.marks)]
        if not found:
            raise Unavailable(self._why_no_marks())
        return found

    def _why_no_marks(self) -> str:
        info = self.need("info")
        if info.origin.get("kind") == "import":
            return "a trace was imported: there is no recording of the steps themselves"
        silent = (c for name in ("guest", "steps") for c in info.collectors if c.name == name and c.state != "on")
        first = next(silent, None)
        return first.reason if first else NO_STEPS

    @lazy
    def guests(self) -> list[Row]:
        """What each process that armed, or could not, said of itself."""
        return self.run.jsonl(layout.GUESTS)

    @lazy
    def stage_lines(self) -> list[Row]:
        """The outermost stages of scikit-learn and pandas as they were recorded, by start."""
        from ..analyze import stages

        found = stages.outermost(self.run)
        if not found:
            raise Absent("no stage of scikit-learn or pandas was seen")
        return found

    @lazy
    def stages(self) -> list[Row]:
        """The same added up, most time first, each followed by its parts: name, kind, depth, calls, seconds, share (of the run), rows, columns …"""
        from ..analyze import stages

        info = self.need("info")
        ended = info.ended_monotonic_ns
        whole_s = (ended - info.started_monotonic_ns) / 1e9 if ended and info.started_monotonic_ns else None
        return stages.table(self.need("stage_lines"), whole_s)

    @lazy
    def excluded(self) -> list[tuple[int, int]]:
        """Stack windows as (start_ns, end_ns): steps they touch are not timed."""
        return stack_windows(self.run)

    @lazy
    def rank_steps(self) -> dict[str, pl.DataFrame]:
        """Steps (model.tables.STEPS) per rank folder."""
        from ..analyze import steps

        windows = self.excluded or []
        return {r.name: steps.derive(r, excluded=windows) for r in self.need("recordings")}

    @lazy
    def lead(self) -> RankRecording:
        """The recording that the report is about: of the lowest rank, the one with the most steps."""
        recordings, steps = self.need("recordings"), self.need("rank_steps")
        lowest = [r for r in recordings if r.rank == recordings[0].rank]
        best: RankRecording = max(lowest, key=lambda r: steps[r.name].height)
        return best

    @lazy
    def steps(self) -> pl.DataFrame:
        """Steps of the lead recording; never empty."""
        found: pl.DataFrame = self.need("rank_steps")[self.need("lead").name]
        if not found.height:
            raise Unavailable(NO_STEPS)
        return found

    @lazy
    def headline(self) -> Row:
        """Median step and the like, over steady steps."""
        from ..analyze import breakdown, steps

        return breakdown.headline(self.need("steps")) | {"samples_from": steps.samples_from(self.need("lead"))}

    @lazy
    def breakdown(self) -> list[Row]:
        """Host phases: name, seconds_per_step, share of the mean steady wall time per step."""
        from ..analyze import breakdown

        rows = breakdown.breakdown(self.need("steps"))
        if not rows:
            raise Unavailable("no step was steady")
        is_traced = self.tensorflow and not self._asks_in_python
        return breakdown.with_traced_wait(rows, self.input_wait if is_traced else None)

    @property
    def _asks_in_python(self) -> bool:
        """Whether it is Keras that asks for batches, within the phases, also where a script imports TensorFlow beside that."""
        return bool((self.keras or {}).get("backend", "tensorflow") != "tensorflow")

    @lazy
    def input_wait(self) -> Row:
        """Of steps that take their batches from tf.data, as traced, or from Keras' own iterators in Python: wait_s and produce_s (per step),
        prefetches, share (of these steps), steps, traced.
        """
        from dataclasses import asdict

        from ..analyze.input_wait import asked_in_python

        if self._asks_in_python:
            rows, steps = self.need("breakdown"), int(self.need("headline")["steady_count"])
            found, traced = asked_in_python(rows, steps), False
        else:
            found, traced = self.need("trace").input_wait, True
        if found is None:
            raise Absent("no batches of tf.data, or of Keras' own, were asked for within the steps")
        return asdict(found) | {"traced": traced}

    @lazy
    def step_s(self) -> float:
        """Mean steady wall time per step; of an imported trace its step, unprofiled where that is known."""
        rows = self.breakdown
        if rows:
            return float(sum(row["seconds_per_step"] for row in rows))
        trace = self.need("trace")
        if not trace.steps or trace.step_s is None:
            raise Unavailable("the trace marks no steps")
        return float(trace.step_s)

    @lazy
    def regions(self) -> list[Row]:
        """Blocks that the script named by ``perfkit.region``: name, seconds_per_step, share,
        calls_per_step.
        """
        from ..analyze import breakdown

        return breakdown.regions(self.need("lead"), self.need("steps"))

    @lazy
    def latency(self) -> Row:
        """Of an inference: p50 to p99 of a call with intervals, first_call_s, between_s, by_batch."""
        from ..analyze import breakdown, latency

        found = latency.latency(breakdown.leading_segment(self.need("steps")))
        if found is None:
            raise Absent("the script does not only call its model: it trains")
        return found

    @lazy
    def run_breakdown(self) -> list[Row]:
        """The whole process: name, seconds, share."""
        from ..analyze import breakdown

        lead, recordings = self.lead, self.recordings or []
        steps = self.need("rank_steps")[lead.name] if lead is not None else _no_steps()
        ordered = [lead, *(r for r in recordings if r is not lead)] if lead is not None else recordings
        found = breakdown.run_breakdown(self.need("info"), ordered, steps, self.need("guests"), self.stage_lines or ())
        return list(found)

    @lazy
    def overhead(self) -> Row:
        """What perfkit itself cost: startup_s, per_step_s, window_s, share."""
        from ..analyze import breakdown

        return dict(breakdown.overhead(self.need("lead"), self.need("steps"), self.info))

    @lazy
    def steady_span_ns(self) -> tuple[int, int]:
        """From the start of the first to the end of the last steady step."""
        import polars as pl

        steady = self.need("steps").filter(pl.col("steady"))
        if not steady.height:
            raise Unavailable("no step was steady")
        return int(steady["start_ns"].min()), int(steady["end_ns"].max())

    # --- the trace

    @lazy
    def trace(self) -> TraceAnalysis:
        """Analysis of the newest trace window of the lead rank, corrected to the unprofiled step."""
        from ..analyze import trace_view

        path = self.need("trace_file")
        headline = self.headline
        step_s = headline.get("median_s") if headline else self.need("info").origin.get("step_time_s")
        return trace_view.analyze_trace(path, step_time_s=step_s, processor=self.processor)

    @lazy
    def trace_file(self) -> Path:
        """The newest trace of the lead rank, readable or not."""
        lead = self.lead
        holders = [lead] if lead is not None else self.run.ranks
        traces = [path for recording in holders for path in recording.traces]
        if not traces:
            raise Unavailable(self._why_no_trace())
        return traces[-1]

    def _why_no_trace(self) -> str:
        collector = next((c for c in self.need("info").collectors if c.name in ("trace", "trace window")), None)
        if collector is not None and collector.state != "on":
            return str(collector.reason)
        return "no trace window was recorded"

    @lazy
    def device_breakdown(self) -> list[Row]:
        """Device time: name, kind (busy or idle), seconds_per_step, share. Empty on a CPU-only run."""
        return plain_rows(self.need("trace").device_breakdown)

    @lazy
    def device_phases(self) -> list[Row]:
        """Phases as the device ran them, by events in its stream: name, seconds_per_step, steps."""
        from ..analyze import breakdown

        rows = breakdown.device_phases(self.need("lead"))
        if not rows:
            raise Unavailable(self._why_no_device_phases())
        return rows

    def _why_no_device_phases(self) -> str:
        if self.gpu is None:
            return "no accelerator was visible to the script: the host's phases say it all"
        return "no step carried events: the device was not in use by PyTorch's CUDA, or there were too few steps"

    @lazy
    def hotspots(self) -> list[Row]:
        """Operators that take the time, most first."""
        return plain_rows(self.need("trace").hotspots)

    @lazy
    def kernels(self) -> list[Row]:
        """Device kernels that take the time, most first."""
        return plain_rows(self.need("trace").kernels)

    @lazy
    def host_operators(self) -> list[Row]:
        """Operators by their own time on the host, most first."""
        return plain_rows(self.need("trace").host_operators)

    @lazy
    def busy_share(self) -> float:
        """Share of the unprofiled step in which the device was busy."""
        share = self.need("trace").busy_share
        if share is None:
            raise Unavailable("nothing ran on a device")
        return float(share)

    # --- what was sampled outside

    @lazy
    def utilization(self) -> Row:
        """CPU, device and I/O use over the steady span, or the whole run where there is none."""
        from ..analyze import utilization

        start_ns, end_ns = self._sampled_span()
        return dict(utilization.utilization(self.run, start_ns, end_ns))

    def _sampled_span(self) -> tuple[int, int]:
        span = self.steady_span_ns
        if span is not None:
            return span
        info = self.need("info")
        if info.started_monotonic_ns is None:
            raise Unavailable("nothing was sampled")
        return info.started_monotonic_ns, info.ended_monotonic_ns or 2**62

    @lazy
    def cores_used(self) -> float:
        """Cores that each rank's process tree kept busy, on average over the steady steps."""
        return self._of_utilization("cores_used") / (self.rank_count or 1)

    @lazy
    def worker_cores(self) -> float:
        """Cores that each rank's loader workers kept busy together."""
        use = self.need("utilization")
        roles = use.get("roles") or {}
        if "loader worker" not in roles:
            raise Unavailable("no loader worker was sampled")
        # Samples miss workers that live for a moment only; what a finished child used is in the total.
        rest = (use.get("cores_used") or 0.0) - sum(cores for role, cores in roles.items() if role != "loader worker")
        return float(max(roles["loader worker"], rest)) / (self.rank_count or 1)

    @lazy
    def others_cores(self) -> float:
        """Cores that everybody else on the machine kept busy meanwhile."""
        return self._of_utilization("others_cores")

    def _of_utilization(self, key: str) -> float:
        use = self.need("utilization")
        if use.get(key) is None:
            raise Unavailable(str(use.get("unavailable", {}).get(key, "not sampled")))
        return float(use[key])

    @lazy
    def host_memory(self) -> Row:
        """host_peak_bytes and how it was obtained."""
        from ..analyze import host_memory

        return dict(host_memory.host_memory(self.run))

    @lazy
    def energy(self) -> Row:
        """joules_per_step and how it was obtained."""
        from ..analyze import utilization

        start_ns, end_ns = self.need("steady_span_ns")
        steps = int(self.need("steps")["steady"].sum())
        return dict(utilization.energy(self.run, start_ns, end_ns, steps))

    @lazy
    def hot_lines(self) -> list[Row]:
        """Lines of the user's code that the stack samples found, window by window, most first."""
        from ..analyze import stacks

        windows = dict.fromkeys(str(window.get("name")) for window in stacks.windows(self.run))
        return plain_rows([row for name in windows for row in stacks.hot_lines(self.run, window=name)])

    # --- what the script's text says

    @lazy
    def script_facts(self) -> list[Row]:
        """Habits found in the script's own source, by file and line: fact, file (relative to the script), line, code,
        function, in_loop, guarded (only below an ``if step % n``). Empty when it has none.
        """
        found = read_json(self.run.path / layout.SCRIPT_FACTS)
        if not isinstance(found, dict):
            raise Unavailable("the script's source was not read")
        unread = found.get("unread") or []
        if not found.get("files") and unread:
            raise Unavailable(f"{unread[0]['file']}: {unread[0]['reason']}")
        return list(found["facts"])

    @lazy
    def source_digest(self) -> str:
        """Of the script's own source, and the modules of its own that it imports."""
        found = read_json(self.run.path / layout.SCRIPT_FACTS)
        if not isinstance(found, dict) or not found.get("digest"):
            raise Unavailable("the script's source was not read")
        return str(found["digest"])

    # --- what the guest saw

    @lazy
    def torch(self) -> Row:
        """Settings of torch: version, num_threads, matmul_precision, allow_tf32_matmul, cudnn_deterministic, sdp, allocator
        …; and as seen inside steps: anomaly_detection, autograd_profiler (the script's own).
        """
        from . import seen

        absent = self.tensorflow is not None
        return seen.torch(self._last_fact("torch", "torch was not seen", absent=absent), self.need("lead"))

    @lazy
    def tensorflow(self) -> Row:
        """Settings of TensorFlow: version, intra_op_threads and inter_op_threads (0: as many as cores), jit, run_functions_eagerly, onednn."""
        return self._last_fact("tensorflow", "TensorFlow was not seen", absent=True)

    @lazy
    def keras(self) -> Row:
        """Settings of Keras: version, backend, floatx, policy (of mixed precision), image_data_format."""
        return self._last_fact("keras", "Keras was not seen", absent=True)

    @lazy
    def framework(self) -> str:
        """What computes the steps: torch, tensorflow or jax. That one is imported says little: TensorBoard's writer for torch imports TensorFlow."""
        if self.keras is not None and self.compiled_model is not None:
            return str(self.keras["backend"])
        if self.model is not None or self.tensorflow is None:
            self.need("torch")
            return "torch"
        return "tensorflow"

    @lazy
    def compiled_model(self) -> Row:
        """The largest Keras model of fit, evaluate or predict: class, run_eagerly, jit_compile, steps_per_execution, parameters,
        dtypes, layers (by class), policies, optimizer.
        """
        found = self.need("lead").facts_of("compiled_model")
        if not found:
            raise Absent("no model of Keras' fit, evaluate or predict was seen")
        return dict(_most(found, "parameters"))

    @lazy
    def batches(self) -> Row:
        """What feeds Keras' fit (the first such iterator of the run, evaluate or predict where there was no fit): adapter, batch_size,
        num_batches, dataset, pipeline (of tf.data: its stages, the last one first), workers and use_multiprocessing (of a PyDataset).
        """
        found = self.need("lead").facts_of("batches")
        if not found:
            raise Absent("no batches of Keras' own were seen")
        return dict(found[0])

    @lazy
    def traced(self) -> list[Row]:
        """How often each tf.function was traced: [{name, count}]; empty where none was."""
        self.need("tensorflow")
        counts: dict[str, int] = {}
        for fact in self.need("lead").facts_of("traced"):
            counts[fact["name"]] = max(counts.get(fact["name"], 0), fact["count"])
        return [{"name": name, "count": count} for name, count in counts.items()]

    @lazy
    def loader(self) -> Row:
        """The DataLoader of the training, of several the one that is waited for most: class, num_workers, batch_size, length …"""
        return dict(self.need("loader_group")[0])

    @lazy
    def loader_waits(self) -> Row:
        """Over the whole recording, for that loader: seconds, batches, starts, first_seconds, start_seconds, end_seconds
        (see advise.waits).
        """
        found = self.need("waits_by_loader")
        group = [found[fact["id"]] for fact in self.need("loader_group") if fact["id"] in found]
        keys = ("seconds", "batches", "starts", "first_seconds", "start_seconds", "end_seconds")
        return {key: sum(row[key] for row in group) for key in keys}

    @lazy
    def waits_by_loader(self) -> dict[int, Row]:
        """Loader id → what was waited for it (see advise.waits)."""
        from .waits import loader_waits

        return loader_waits(self.need("lead").marks)

    @lazy
    def loader_group(self) -> list[Row]:
        """Facts of that loader; several where a script makes the same one anew, in each epoch say."""
        from .waits import group_by_settings, training_seconds

        facts = self.need("lead").facts_of("loader")
        if not facts:
            raise Absent("the script uses no DataLoader")
        waits = self.need("waits_by_loader")
        return max(group_by_settings(facts), key=lambda group: training_seconds(group, waits))

    @lazy
    def model(self) -> Row:
        """The largest model: class, inner_class, parameters, dtypes, devices, compiled, modules, conv_parameters, channels_last
        (share of these; None where it cannot be told), attention_modules, wrapper (with DDP's settings),
        frozen_parameters, buffers_bytes, training (at its first call); and of its calls in steps: autocast (type name or
        None), grad_enabled (share of them).
        """
        from . import seen

        found = self.need("lead").facts_of("model")
        if not found:
            raise (Absent if self.tensorflow else Unavailable)("no model was seen")
        return seen.model(_most(found, "parameters"), self.need("lead"), self.steps)

    @lazy
    def optimizer(self) -> Row:
        """The optimizer with the most parameters: class, foreach, fused, groups, tensors (as parameters), elements, devices,
        dtypes, compiled, state_bytes (None when not known).
        """
        from . import seen

        found = self.need("lead").facts_of("optimizer")
        if not found:
            raise Absent("no optimizer was seen")
        return seen.optimizer(_most(found, "parameters"), self.need("lead"))

    @lazy
    def optimizers(self) -> list[Row]:
        """All optimizers, as `optimizer` describes the one with the most parameters but without state_bytes."""
        found = self.need("lead").facts_of("optimizer")
        if not found:
            raise Absent("no optimizer was seen")
        return [dict(fact) for fact in found]

    def _last_fact(self, kind: str, reason: str, *, absent: bool = False) -> Row:
        found = self.need("lead").facts_of(kind)
        if not found:
            raise (Absent if absent else Unavailable)(reason)
        return dict(found[-1])


def stack_windows(run: Run) -> list[tuple[int, int]]:
    """Stack windows of *run* as (start_ns, end_ns), from stacks.json; an open one lasts for ever."""
    listed = read_json(run.path / layout.STACKS_INDEX)
    if listed is None:
        return []
    windows = listed.get("windows", []) if isinstance(listed, dict) else listed
    spans = [(w.get("start_ns"), w.get("end_ns") or 2**62) for w in windows if isinstance(w, dict)]
    return [(int(start), int(end)) for start, end in spans if start is not None]


def read_json(path: Path) -> Any:
    """The value in a JSON file of a run, None where there is none or it is torn."""
    import json

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return None


def _no_steps() -> pl.DataFrame:
    import polars as pl

    from ..model.tables import STEPS

    return pl.DataFrame(schema={column.name: getattr(pl, column.dtype) for column in STEPS.columns})


def _most(facts: list[Row], key: str) -> Row:
    return max(facts, key=lambda fact: fact.get(key) or 0)


def plain_rows(rows: Any) -> list[Row]:
    """Frozen records, or mappings, as plain dicts of plain numbers."""
    from dataclasses import asdict, is_dataclass

    made = [asdict(row) if is_dataclass(row) and not isinstance(row, type) else dict(row) for row in rows]
    return [native(row) for row in made]


def native(value: Any) -> Any:
    """*value* with numpy's numbers as Python's, however deep."""
    if isinstance(value, dict):
        return {key: native(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [native(item) for item in value]
    item = getattr(value, "item", None)
    return item() if item is not None and type(value).__module__ == "numpy" else value
