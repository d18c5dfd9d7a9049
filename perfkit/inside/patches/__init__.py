"""Fixes that are applied from inside, one file each, chosen by name from the run's fixes.json."""

from importlib import import_module

# Name of the fix -> its file. `launch.fixes` says what a person may write for each.
MODULES = {
    "loader-workers": "loader_workers",
    "sample-cache": "sample_cache",
    "batch-size": "batch_size",
    "pin-memory": "pin_memory",
    "threads": "threads",
    "interop-threads": "interop_threads",
    "gc-freeze": "gc_freeze",
    "zero-grad-none": "zero_grad_none",
    "cudnn-benchmark": "cudnn_benchmark",
    "allocator": "allocator",
    "inference-mode": "inference_mode",
    "autocast": "autocast",
    "channels-last": "channels_last",
    "compile": "compile_model",
    "fused-optimizer": "optimizer",
    "optimizer": "optimizer",
    "tf32": "tf32",
    "matmul-precision": "matmul_precision",
    "float32": "float32",
    "attention-backend": "attention",
    "nothing": "nothing",
}


def arm(session, torch, watch, fixes):
    """Make and arm the patch of each fix (``{"name", "parameters"}``). Returns the names of those that are on.

    Never raises: a fix that cannot be made says so in the recording, and the script runs without it.
    """
    for fix in fixes:
        patch = _make(session, torch, watch, fix)
        if patch is not None:
            session.patches.append(patch)
            patch.arm()
    return ["fix " + patch.name for patch in session.patches if patch.active]


def _make(session, torch, watch, fix):
    name, parameters = fix.get("name"), fix.get("parameters") or {}
    try:
        made = import_module("." + MODULES[name], __name__).PATCH(session, torch, watch, parameters)
        made.name = name  # two names may share a file
        return made
    except Exception as error:
        reason = "it cannot be made: %s: %s" % (type(error).__name__, error)
        session.fact("fix", name=name, state="failed", parameters=parameters, reason=reason)
        return None
