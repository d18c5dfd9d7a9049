"""Facts about loaders, optimizers and the framework's settings: what rules may later rely on.

Names, shapes, counts and settings only; nothing of the user's data.
"""

import os
import sys

from . import compiler_facts
from ._model_facts import add, class_name, lazy

# Asking this many states for their tensors takes a few milliseconds.
MOST_STATES = 4096
HOST_ALLOCATORS = ("jemalloc", "tcmalloc", "mimalloc")


def loader(thing):
    """Settings of a DataLoader."""
    dataset = getattr(thing, "dataset", None)
    return {
        "kind": "loader",
        "class": class_name(thing),
        "dataset": class_name(dataset),
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


def optimizer(thing):
    """Class and settings of an optimizer."""
    defaults = getattr(thing, "defaults", {}) or {}
    groups = getattr(thing, "param_groups", []) or []
    parameters = [p for group in groups for p in group.get("params", ()) if hasattr(p, "numel")]
    dtypes, devices = {}, {}
    for parameter in parameters:
        number = 0 if lazy(parameter) else parameter.numel()
        add(dtypes, str(parameter.dtype).replace("torch.", ""), number)
        add(devices, str(parameter.device), number)
    return {
        "kind": "optimizer",
        "class": class_name(thing),
        "foreach": defaults.get("foreach"),
        "fused": defaults.get("fused"),
        "capturable": defaults.get("capturable"),
        "groups": len(groups),
        "parameters": len(parameters),
        "tensors": len(parameters),
        "elements": sum(dtypes.values()),
        "dtypes": dtypes,
        "devices": devices,
        "compiled": hasattr(vars(thing).get("step"), "_torchdynamo_orig_callable"),
    }


def optimizer_states(session):
    """Bytes that the optimizers' states hold by now: [{id, bytes}]; of those with very many tensors nothing is asked."""
    objects = getattr(getattr(session, "optimizers", None), "objects", None)
    found = []
    for thing in objects.alive() if objects is not None else ():
        states = thing.state.values()
        if len(states) <= MOST_STATES:
            tensors = [value for state in states for value in getattr(state, "values", tuple)() if _is_tensor(value)]
            found.append({"id": objects.known[id(thing)], "bytes": sum(t.numel() * t.element_size() for t in tensors)})
    return found


def _is_tensor(value):
    return hasattr(value, "numel") and hasattr(value, "element_size")


def framework(torch, session):
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
        "cudnn_deterministic": bool(backends.cudnn.deterministic),
        "deterministic": bool(torch.are_deterministic_algorithms_enabled()),
        "anomaly_detection": bool(torch.is_anomaly_enabled()),
        "sdp": _sdp(backends.cuda),
        "allocator": _allocator(os.environ),
        "cpu_capability": _call(lambda: backends.cpu.get_cpu_capability()),
        "mkldnn": bool(_call(lambda: backends.mkldnn.is_available())),
        "optimizer_states": _call(lambda: optimizer_states(session)) or [],
        "compiler": _call(lambda: compiler_facts.compilations(sys.modules.get("torch._dynamo.utils"))),
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


def _sdp(cuda):
    """Which implementations scaled_dot_product_attention may choose from on CUDA."""
    asked = {name: getattr(cuda, name + "_sdp_enabled", None) for name in ("flash", "mem_efficient", "math", "cudnn")}
    return {name: bool(ask()) for name, ask in asked.items() if ask is not None}


def _allocator(environ):
    """What replaces or sets up the allocators: host (preloaded library) and cuda (PYTORCH_CUDA_ALLOC_CONF)."""
    preloaded = os.path.basename(environ.get("LD_PRELOAD", ""))
    host = next((name for name in HOST_ALLOCATORS if name in preloaded), None)
    return {"host": host, "cuda": environ.get("PYTORCH_ALLOC_CONF") or environ.get("PYTORCH_CUDA_ALLOC_CONF")}


def _start_method(thing):
    context = getattr(thing, "multiprocessing_context", None)
    if context is not None:
        return str(getattr(context, "_name", None) or type(context).__name__)
    return _call(lambda: sys.modules["multiprocessing"].get_start_method(allow_none=True))


def _call(function):
    try:
        return function()
    except Exception:
        return None
