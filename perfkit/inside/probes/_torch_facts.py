"""Facts about loaders, models, optimizers and the framework's settings: what rules may later rely on.

Names, shapes, counts and settings only; nothing of the user's data.
"""

import sys


def loader(thing):
    """Settings of a DataLoader."""
    dataset = getattr(thing, "dataset", None)
    return {
        "kind": "loader",
        "class": _class(thing),
        "dataset": _class(dataset),
        "batch_size": getattr(thing, "batch_size", None),
        "num_workers": getattr(thing, "num_workers", None),
        "pin_memory": bool(getattr(thing, "pin_memory", False)),
        "prefetch_factor": getattr(thing, "prefetch_factor", None),
        "persistent_workers": bool(getattr(thing, "persistent_workers", False)),
        "drop_last": bool(getattr(thing, "drop_last", False)),
        "start_method": _start_method(thing),
        "iterable": not hasattr(dataset, "__getitem__"),
        "length": length(thing),
    }


def length(thing):
    """``len`` of a loader, -1 where it has none."""
    try:
        return len(thing)
    except Exception:
        return -1


def model(thing, torch):
    """Parameters, types and devices of a model that is called outermost."""
    dtypes, devices, count, size = {}, {}, 0, 0
    for parameter in thing.parameters():
        number = parameter.numel() if not _lazy(parameter) else 0
        count += number
        size += number * parameter.element_size()
        _add(dtypes, str(parameter.dtype).replace("torch.", ""), number)
        _add(devices, str(parameter.device), number)
    inner = getattr(thing, "_orig_mod", thing)
    return {
        "kind": "model",
        "class": _class(inner),
        "parameters": count,
        "parameter_bytes": size,
        "dtypes": dtypes,
        "devices": devices,
        "compiled": inner is not thing or getattr(thing, "_compiled_call_impl", None) is not None,
        "training": bool(thing.training),
        "modules": sum(1 for _ in thing.modules()),
    }


def optimizer(thing):
    """Class and settings of an optimizer."""
    defaults = getattr(thing, "defaults", {}) or {}
    groups = getattr(thing, "param_groups", []) or []
    parameters = [p for group in groups for p in group.get("params", ())]
    return {
        "kind": "optimizer",
        "class": _class(thing),
        "foreach": defaults.get("foreach"),
        "fused": defaults.get("fused"),
        "capturable": defaults.get("capturable"),
        "groups": len(groups),
        "parameters": len(parameters),
        "elements": sum(p.numel() for p in parameters if hasattr(p, "numel") and not _lazy(p)),
    }


def framework(torch):
    """Threads, precision and device settings, as they are when asked."""
    backends = torch.backends
    found = {
        "kind": "torch",
        "version": str(torch.__version__),
        "num_threads": torch.get_num_threads(),
        "interop_threads": torch.get_num_interop_threads(),
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cuda_version": torch.version.cuda,
        "hip_version": getattr(torch.version, "hip", None),
        "allow_tf32_matmul": bool(backends.cuda.matmul.allow_tf32),
        "allow_tf32_cudnn": bool(backends.cudnn.allow_tf32),
        "cudnn_benchmark": bool(backends.cudnn.benchmark),
        "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
        "cpu_capability": _call(lambda: backends.cpu.get_cpu_capability()),
        "mkldnn": bool(_call(lambda: backends.mkldnn.is_available())),
        "devices": [],
    }
    if "torch.cuda" in sys.modules and torch.cuda.is_initialized():
        found["devices"] = [_cuda(torch, index) for index in range(torch.cuda.device_count())]
    return found


def _cuda(torch, index):
    properties = torch.cuda.get_device_properties(index)
    return {
        "index": index,
        "name": properties.name,
        "capability": "%d.%d" % (properties.major, properties.minor),
        "memory_bytes": properties.total_memory,
        "multiprocessors": properties.multi_processor_count,
    }


def _start_method(thing):
    context = getattr(thing, "multiprocessing_context", None)
    if context is not None:
        return str(getattr(context, "_name", None) or type(context).__name__)
    return _call(lambda: sys.modules["multiprocessing"].get_start_method(allow_none=True))


def _class(thing):
    return "%s.%s" % (type(thing).__module__, type(thing).__qualname__) if thing is not None else None


def _lazy(parameter):
    return type(parameter).__name__.startswith("Uninitialized")


def _add(counts, key, number):
    counts[key] = counts.get(key, 0) + number


def _call(function):
    try:
        return function()
    except Exception:
        return None
