"""The document of `perfkit compare RUN --on DEVICE`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ...analyze.memory import Memory
from ...errors import UsageError
from ...hardware import catalog, formula
from ...trace.formats import read
from .fit import fit
from .processor import Moved, move, rates
from .project import Asked, Projection, Three, project
from .settings import Settings
from .workload import Workload, workload_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ...advise.evidence import Evidence
    from ...hardware.calibration import Calibration
    from ...hardware.catalog import DeviceSpec
    from .targets import Target

Row = dict[str, Any]


def settings(evidence: Evidence, *, batch: str | None, dtype: str | None, compiled: bool | None) -> Settings:
    """What is asked for: *batch* as samples per step or as a factor (``x4``). Raises UsageError for what is neither."""
    return Settings(batch=_times(evidence, batch) if batch else 1.0, dtype=dtype, compiled=compiled)


def _times(evidence: Evidence, text: str) -> float:
    wanted, now = _number(text.lstrip("xX×"), text), (evidence.headline or {}).get("samples_per_step")
    if text[:1] in "xX×":
        return wanted
    if not now:
        raise UsageError(f"--batch {text}: how many samples a step has now is not known; as a factor: --batch x4")
    return wanted / float(now)


def _number(digits: str, text: str) -> float:
    try:
        found = float(digits)
    except ValueError:
        found = 0.0
    if not 0 < found < float("inf"):
        raise UsageError(f"--batch {text}: is no number of samples (256) and no factor (x4)")
    return found


def document(
    evidence: Evidence, wanted: Sequence[Target], settings: Settings, *, origin: Calibration | None = None
) -> Row:
    """schema_version, run, from, settings, projections (one per target).

    *origin*: the calibration of the machine that the run is of. Raises UsageError where the run cannot be moved: it has no trace, or
    its device is not known.
    """
    info = evidence.need("info")
    if evidence.trace_file is None:
        raise UsageError(
            f"{evidence.run.path.name}: {evidence.why('trace_file')}: without a trace there is nothing to move"
        )
    here, rows = (_on_devices if evidence.device_breakdown else _on_processors)(evidence, wanted, settings, origin)
    return {
        "schema_version": 1,
        "run": {"id": info.id, "path": str(evidence.run.path), "command": list(info.command)},
        "from": here,
        "settings": asdict(settings),
        "projections": rows,
    }


def _on_devices(
    evidence: Evidence, wanted: Sequence[Target], settings: Settings, origin: Calibration | None
) -> tuple[Row, list[Row]]:
    """Where the run is from, and its rows."""
    workload, here = _traced(evidence)
    step_s = _step_s(evidence)
    told = {
        "device": here.name,
        "estimated": here.estimated,
        "step_s": step_s,
        "busy_s": workload.busy_s,
        "steps": workload.steps,
    }
    return told, [_row(evidence, workload, here, target, settings, step_s, origin) for target in wanted]


def _traced(evidence: Evidence) -> tuple[Workload, DeviceSpec]:
    workload = workload_of(read(evidence.need("trace_file")))
    gpu = evidence.gpu
    here = catalog.match(workload.device) or (
        formula.spec_of(gpu) if gpu is not None and gpu.name == workload.device else None
    )
    if here is None:
        raise UsageError(f"{workload.device} is not in the catalogue: what its kernels reach of it is not known")
    return workload, here


def _on_processors(
    evidence: Evidence, wanted: Sequence[Target], settings: Settings, origin: Calibration | None
) -> tuple[Row, list[Row]]:
    """The same of a run that computes on its processor."""
    name = evidence.run.path.name
    if not settings.is_plain:
        raise UsageError(
            f"{name}: other settings are projected for accelerators only; to measure them here: perfkit tune"
        )
    machines = [(target, target.calibration) for target in wanted]
    other = next((target.asked for target, known in machines if known is None or target.spec.multiprocessors), None)
    if other:
        raise UsageError(
            f"{name} computes on its processor, and only kernels of an accelerator are moved to {other}; for another processor name its calibration"
        )
    if origin is None:
        raise UsageError(
            f"{name}: its own machine is not calibrated; there: perfkit hardware calibrate -o FILE, and here: --from FILE"
        )
    operators, step_s = [asdict(row) for row in evidence.need("trace").host_operators], float(evidence.need("step_s"))
    threads = (evidence.torch or {}).get("num_threads")
    rows = [
        _processor_row(target, move(operators, step_s, rates(origin, known, threads)))
        for target, known in machines
        if known is not None
    ]
    return {
        "device": origin.device("cpu").name,
        "estimated": False,
        "step_s": step_s,
        "busy_s": None,
        "steps": evidence.need("trace").steps,
    }, rows


def _processor_row(target: Target, found: Moved) -> Row:
    step = found.step_s
    return {
        "device": target.spec.name,
        "asked": target.asked,
        "from_step_s": found.from_step_s,
        "step_s": asdict(step),
        "speedup": _speedup(found.from_step_s, step),
        "samples_per_s": None,
        "device_s": None,
        "host_s": asdict(step),
        "limit": "host",
        "launching_s": None,
        "classes": _shares(found.parts),
        "host_factor": None,
        "memory": {"fits": None, "reason": "the memory of a machine is not projected"},
        "notes": found.notes,
    }


def _step_s(evidence: Evidence) -> float | None:
    """Without the profiler; None where the run is an imported trace of which it was not told."""
    headline = evidence.headline
    found = headline.get("median_s") if headline else evidence.need("info").origin.get("step_time_s")
    return float(found) if found else None


def _row(
    evidence: Evidence,
    workload: Workload,
    here: DeviceSpec,
    target: Target,
    settings: Settings,
    step_s: float | None,
    origin: Calibration | None,
) -> Row:
    asked = Asked(
        origin=here,
        target=target.spec,
        settings=settings,
        host=_host(origin, target.calibration),
        same_machine=target.spec == here and target.calibration is None,
        has_workers=_has_workers(evidence),
    )
    found = project(workload, asked, step_s)
    return {
        "device": target.spec.name,
        "asked": target.asked,
        "from_step_s": found.from_step_s,
        "step_s": asdict(found.step_s),
        "speedup": _speedup(found.from_step_s, found.step_s, settings.batch),
        "samples_per_s": _rate(evidence, found, settings),
        "device_s": asdict(found.device_s),
        "host_s": asdict(found.host_s),
        "limit": found.limit,
        "launching_s": found.launching_s,
        "classes": _shares(found.classes),
        "host_factor": asked.host,
        "memory": _memory(evidence, target.spec, settings),
        "notes": found.notes,
    }


def _speedup(from_step_s: float, step: Three, times: float = 1.0) -> Row:
    """Times as many samples in the same time, of a step with *times* the batch."""
    whole = times * from_step_s
    return asdict(Three(low=whole / step.high, expected=whole / step.expected, high=whole / step.low))


def _shares(parts: Mapping[str, tuple[float, float]]) -> list[Row]:
    return [{"name": name, "from_s": before, "seconds_per_step": after} for name, (before, after) in parts.items()]


def _rate(evidence: Evidence, found: Projection, settings: Settings) -> Row | None:
    samples = (evidence.headline or {}).get("samples_per_step")
    if not samples:
        return None
    step, each = found.step_s, float(samples) * settings.batch
    return asdict(Three(low=each / step.high, expected=each / step.expected, high=each / step.low))


def _host(here: Calibration | None, there: Calibration | None) -> float | None:
    """Times as long as here that the host there takes: for a small operator, else for Python's own loop."""
    if here is None or there is None:
        return None
    for name in ("dispatch_s", "interpreter_s"):
        now, then = here.host_speed.get(name), there.host_speed.get(name)
        if now and then:
            return float(then / now)
    return None


def _has_workers(evidence: Evidence) -> bool | None:
    loader = evidence.loader
    return bool(loader.get("num_workers")) if loader else None


def _memory(evidence: Evidence, spec: DeviceSpec, settings: Settings) -> Row:
    """As `fit` has it, or why not."""
    known = evidence.memory
    if not known or known["kind"] != "device" or not spec.memory_bytes:
        reason = evidence.why("memory") if not known else "the framework told nothing of the device's memory"
        return {"fits": None, "reason": reason if spec.memory_bytes else f"the memory of {spec.name} is not known"}
    batch = (evidence.largest_batch or {}).get("batch")
    return fit(Memory(**known), batch, spec.memory_bytes, settings.batch)
