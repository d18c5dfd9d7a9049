"""Documents of literal runs: what `api.compared_document` makes of a recording, with figures that are easy to add up."""

import copy

import pytest

MS = 1e-3


@pytest.fixture(autouse=True)
def raise_faults(monkeypatch):
    """A fault in an analysis fails the test instead of becoming a reason."""
    monkeypatch.setenv("PERFKIT_DEBUG", "1")


@pytest.fixture
def processor_run():
    """A training that a processor computes: ``processor_run(phases={"forward": 4}, operators=[("aten::mm", "matmul", 3)])``, in ms."""
    return of_processor


@pytest.fixture
def device_run():
    """A training on an H100: ``device_run(busy={"matmul": 3}, idle={"launch": 5})``, in ms."""
    return of_device


def of_processor(*, phases=None, operators=None, python_ms=0.5, scatter=0.01, samples=32.0, **changes):
    phases = {"data": 1.0, "forward": 4.0, "backward": 6.0, "optimizer": 1.0} if phases is None else phases
    operators = [("aten::mm", "matmul", 8.0), ("aten::relu", None, 2.0)] if operators is None else operators
    made = _empty()
    step = sum(phases.values()) * MS
    made["breakdown"] = [{"name": n, "seconds_per_step": ms * MS, "share": ms * MS / step} for n, ms in phases.items()]
    made["steps"] |= _steps(step, scatter, samples)
    rows = [operator(*row) for row in operators] + [
        {**operator("Python between operators", None, python_ms), "kind": "python", "calls_per_step": 1.0}
    ]
    made["trace"] |= {
        "steps": 5,
        "step_s": step,
        "profiled_step_s": step,
        "dilation": 1.0,
        "host_operators": rows if operators else None,
    }
    made["hotspots"] = rows if operators else []
    return _changed(made, changes)


def of_device(*, busy=None, idle=None, between=None, scatter=0.01, samples=32.0, imported=False, **changes):
    busy = {"matmul": 3.0, "elementwise": 1.0} if busy is None else busy
    idle = {"launch": 5.0, "other": 0.1} if idle is None else idle
    made = _empty()
    step = (sum(busy.values()) + sum(idle.values())) * MS
    parts = [(name, "busy", ms) for name, ms in busy.items()] + [(name, "idle", ms) for name, ms in idle.items()]
    made["device_breakdown"] = [
        {"name": n, "kind": k, "seconds_per_step": ms * MS, "share": ms * MS / step} for n, k, ms in parts
    ]
    made["trace"] |= {"steps": 5, "step_s": step, "profiled_step_s": step, "dilation": 1.0, "host_operators": []}
    made["devices"] = [
        {
            "name": "NVIDIA H100 80GB HBM3",
            "kind": "cuda",
            "index": 0,
            "memory_bytes": 80 << 30,
            "uuid": None,
            "details": {},
        }
    ]
    made["launches"] = {"launches_per_step": 300.0}
    if imported:
        made["run"]["origin"] = {"kind": "import", "file": "t.json"}
        made |= {"mode": None, "host": {}, "settings": None}
    else:
        phases = {"forward": step / MS} | (between or {})
        whole = sum(phases.values())
        made["breakdown"] = [{"name": n, "seconds_per_step": ms * MS, "share": ms / whole} for n, ms in phases.items()]
        made["steps"] |= _steps(step, scatter, samples)
    return _changed(made, changes)


def operator(name, work, ms, module=None, calls=10.0, **more):
    return {
        "name": name, "kind": "operator", "work": work, "module": module, "calls_per_step": calls, "seconds_per_step": ms * MS, "share": 0.1,
        "basis": "host", "shapes": "[[64, 64]]", "dtypes": '["float"]', "flops": None, "bytes": None, "bound": None, "efficiency": None, **more,
    }  # fmt: skip


def _steps(step, scatter, samples):
    if not step:
        return {}
    return {
        "count": 100, "steady_count": 80, "median_s": step, "p95_s": step * 1.1, "mean_s": step, "median_low_s": step * (1 - scatter),
        "median_high_s": step * (1 + scatter), "samples_per_step": samples, "samples_per_s": samples / step if samples else None, "tokens_per_s": None,
    }  # fmt: skip


def _empty():
    run = {
        "id": "20260101T000000Z-train-abc123", "path": "/runs/20260101T000000Z-train-abc123", "command": ["train.py"], "script": "train.py",
        "status": "finished", "exit_code": 0, "origin": {"kind": "profile"}, "git": {"revision": "a" * 40, "dirty": False}, "packages": {"torch": "2.13.0"},
    }  # fmt: skip
    return {
        "run": run, "fixes": [], "host": {"cpu": "AMD EPYC", "usable_cores": 2.0, "instruction_sets": ["avx2"]}, "mode": "training",
        "devices": [{"name": "AMD EPYC", "kind": "cpu", "index": 0, "memory_bytes": 1 << 34, "uuid": None, "details": {}}],
        "framework": {"name": "torch", "version": "2.13.0"}, "steps": {"count": 0, "median_s": None}, "breakdown": [], "device_breakdown": [],
        "hotspots": [], "kernels": [], "mfu": None, "launches": None, "trace": {"steps": None, "dilation": None}, "memory": {"held": None},
        "utilization": {"cores_used": None, "gpu_percent": None, "devices": []}, "energy": {"joules_per_step": None}, "ranks": [{"rank": 0}],
        "unavailable": {}, "settings": {"environment": {}, "torch": {"num_threads": 1}, "model": None, "loader": None, "optimizer": None, "source": "0123456789abcdef"},
    }  # fmt: skip


def _changed(document, changes):
    """*document* with *changes* by path, such as ``run__status="killed"``."""
    made = copy.deepcopy(document)
    for path, value in changes.items():
        *above, last = path.split("__")
        place = made
        for key in above:
            place = place[key]
        place[last] = value
    return made
