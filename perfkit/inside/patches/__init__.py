"""Fixes that are applied from inside, one file each, chosen by name from the run's fixes.json."""

import sys
from importlib import import_module

# Of each framework the fixes that are armed when it is imported: name -> file. `launch.fixes` says what a person may write for each.
MODULES = {
    "torch": {
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
    },
    "tensorflow": {
        "tf-data": "keras.tf_data",
        "tf-threads": "keras.tf_threads",
        "run-eagerly": "keras.run_eagerly",
    },
    "keras": {
        "jit-compile": "keras.jit_compile",
        "steps-per-execution": "keras.steps_per_execution",
        "mixed-precision": "keras.mixed_precision",
        "floatx": "keras.floatx",
        "fit-batch-size": "keras.fit_batch_size",
        "dataset-workers": "keras.dataset_workers",
    },
}


def arm(session, framework, watch, fixes):
    """Make and arm those of the *fixes* (``{"name", "parameters"}``) that are *framework*'s. Returns the names of those that are on.

    Never raises: a fix that cannot be made says so in the recording, and the script runs without it.
    """
    others = {name for files in MODULES.values() for name in files} - MODULES[framework].keys()
    made = [_make(session, framework, watch, fix) for fix in fixes if fix.get("name") not in others]
    for patch in filter(None, made):
        session.patches.append(patch)
        patch.arm()
    return ["fix " + patch.name for patch in made if patch is not None and patch.active]


def _make(session, framework, watch, fix):
    name, parameters = fix.get("name"), fix.get("parameters") or {}
    try:
        kind = import_module("." + MODULES[framework][name], __name__).PATCH
        made = kind(session, sys.modules.get(framework), watch, parameters)
        made.name = name  # two names may share a file
        return made
    except Exception as error:
        reason = "it cannot be made: %s: %s" % (type(error).__name__, error)
        session.fact("fix", name=name, state="failed", parameters=parameters, reason=reason)
        return None
