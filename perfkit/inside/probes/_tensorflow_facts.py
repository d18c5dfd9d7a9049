"""Facts about TensorFlow's settings and its input pipelines: what rules may later rely on. Names, counts and settings only."""

import os

# Stages of an input pipeline that are looked at, counted from its end.
MOST_STAGES = 64


def framework(tensorflow):
    """Threads, devices and compiler settings, as they are when asked."""
    threading, optimizer = tensorflow.config.threading, tensorflow.config.optimizer
    return {
        "kind": "tensorflow",
        "version": str(tensorflow.__version__),
        # 0: as many as there are cores.
        "intra_op_threads": intra_op_threads(tensorflow),
        "inter_op_threads": threading.get_inter_op_parallelism_threads(),
        "jit": str(_call(optimizer.get_jit) or ""),
        "run_functions_eagerly": bool(tensorflow.config.functions_run_eagerly()),
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "") != "0",
        "devices": [_device(tensorflow, device) for device in tensorflow.config.list_logical_devices("GPU")],
    }


def intra_op_threads(tensorflow):
    """What the script set, else the environment; 0: as many as there are cores."""
    asked = tensorflow.config.threading.get_intra_op_parallelism_threads()
    told = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return asked or (int(told) if told.isdecimal() else 0)


def _device(tensorflow, device):
    physical = tensorflow.config.list_physical_devices("GPU")
    growth = [_call(lambda one=one: tensorflow.config.experimental.get_memory_growth(one)) for one in physical]
    return {"name": str(device.name), "memory_growth": growth}


def function_name(function):
    """Name of a tf.function as its script has it."""
    return str(getattr(getattr(function, "python_function", None), "__qualname__", "tf.function"))


def pipeline(dataset):
    """Stages of a tf.data pipeline, the last one first: [{stage, parallel}], and what is known of its batch size.

    The classes' names are those of TensorFlow 2.x, without the underscore and "Dataset".
    """
    stages, batch = [], None
    while dataset is not None and len(stages) < MOST_STAGES:
        name = type(dataset).__name__.strip("_").replace("Dataset", "").replace("V1Adapter", "")
        stages.append({"stage": name, "parallel": name.startswith("Parallel") or None})
        if batch is None and name in ("Batch", "ParallelBatch"):
            batch = _call(lambda stage=dataset: int(stage._batch_size))
        inputs = _call(dataset._inputs) or []
        dataset = inputs[0] if inputs else None
    return {"stages": stages, "batch_size": batch}


def _call(function):
    try:
        return function()
    except Exception:
        return None
