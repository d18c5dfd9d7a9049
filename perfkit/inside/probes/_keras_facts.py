"""Facts about Keras: how a model was compiled, what feeds it, in what it computes. Names, shapes, counts and settings only."""

from . import functions
from ._model_facts import add, class_name
from ._tensorflow_facts import pipeline


def framework(keras):
    """Backend and numeric settings, as they are when asked."""
    policy = _call(keras.mixed_precision.dtype_policy)
    return {
        "kind": "keras",
        "version": str(keras.__version__),
        "backend": str(keras.backend.backend()),
        "floatx": str(keras.backend.floatx()),
        "policy": str(getattr(policy, "name", "")),
        "image_data_format": str(keras.backend.image_data_format()),
    }


def trained(model):
    """Of a model whose train, test or predict function is called: how it was compiled."""
    return {
        "kind": "compiled_model",
        "class": class_name(model),
        "run_eagerly": bool(getattr(model, "run_eagerly", False)),
        "jit_compile": bool(getattr(model, "jit_compile", False)),
        "steps_per_execution": int(getattr(model, "steps_per_execution", 1) or 1),
        **_weights(model),
        "optimizer": _call(lambda: optimizer(model.optimizer)),
    }


def model(thing):
    """Of a model that is called outermost."""
    return {"kind": "keras_model", "class": class_name(thing), **_weights(thing)}


def _weights(thing):
    dtypes, frozen = {}, 0
    trainable = {id(variable) for variable in thing.trainable_variables}
    for variable in thing.variables:
        number = _elements(variable)
        add(dtypes, str(variable.dtype), number)
        frozen += 0 if id(variable) in trainable else number
    return {
        "parameters": sum(dtypes.values()),
        "frozen_parameters": frozen,
        "dtypes": dtypes,
        "layers": _layers(thing),
        "policies": _policies(thing),
    }


def _layers(thing):
    """Layers by class, nested ones included."""
    found = {}
    for layer in _call(thing._flatten_layers) or ():
        add(found, type(layer).__name__, 1)
    return found


def _policies(thing):
    found = {}
    for layer in _call(thing._flatten_layers) or ():
        add(found, str(getattr(getattr(layer, "dtype_policy", None), "name", "")), 1)
    return found


def _elements(variable):
    elements = 1
    for size in variable.shape:
        elements *= int(size or 0)
    return elements


def optimizer(thing):
    """Class and settings of an optimizer."""
    variables = getattr(thing, "_trainable_variables", None) or []
    return {
        "kind": "keras_optimizer",
        "class": class_name(thing),
        "elements": sum(_elements(variable) for variable in variables),
        "tensors": len(variables),
        "parameters": len(variables),
    }


def batches(iterator):
    """What feeds an epoch."""
    adapter = iterator.data_adapter
    dataset = getattr(adapter, "py_dataset", None)
    source = getattr(adapter, "_dataset", None)
    found = {
        "kind": "batches",
        "adapter": class_name(adapter),
        "num_batches": iterator._num_batches,
        "batch_size": sizes(adapter)[0],
    }
    if dataset is not None:
        found.update(
            dataset=class_name(dataset), workers=dataset.workers, use_multiprocessing=bool(dataset.use_multiprocessing),
            max_queue_size=dataset.max_queue_size,
        )  # fmt: skip
    elif hasattr(source, "_inputs"):
        found.update(dataset=class_name(source), pipeline=pipeline(source)["stages"])
    return found


def sizes(adapter):
    """Samples in a batch and in the last one, where that is another size: -1 and 0 where it is not known."""
    size = _call(lambda: adapter.batch_size)
    source = getattr(adapter, "_dataset", None)
    if not size and hasattr(source, "_inputs"):
        size = pipeline(source)["batch_size"]
    if not size:
        first = _call(lambda: adapter._first_batches[0])  # those that Keras has looked at, of a generator
        size = functions.rows_of(first) if first is not None else None
    return int(size or -1), int(_call(lambda: adapter.partial_batch_size) or 0)


def _call(function):
    try:
        return function()
    except Exception:
        return None
