"""Tensors within what a model takes and returns: lists, dictionaries, named tuples, data classes and mixtures of them."""

import copy

# Containers deeper than this are left as they are; it also ends structures that contain themselves.
DEEPEST = 8


def map_tensors(torch, thing, change, depth=DEEPEST):
    """*thing* with every tensor replaced by ``change(tensor)``; the very same object where nothing changes."""
    if isinstance(thing, torch.Tensor):
        return change(thing)
    if depth == 0 or isinstance(thing, (str, bytes, type)):
        return thing

    def changed(pairs):
        found = ((key, old, map_tensors(torch, old, change, depth - 1)) for key, old in pairs)
        return {key: new for key, old, new in found if new is not old}

    if isinstance(thing, dict):
        return _with_items(thing, changed(list(thing.items())))
    if isinstance(thing, (list, tuple)):
        return _with_elements(thing, changed(enumerate(thing)))
    if hasattr(type(thing), "__dataclass_fields__"):
        return _with_fields(thing, changed([(name, getattr(thing, name, None)) for name in thing.__dataclass_fields__]))
    return thing


def _with_items(thing, new):
    if new:
        thing = copy.copy(thing)
        for key, value in new.items():
            thing[key] = value
    return thing


def _with_elements(thing, new):
    if not new:
        return thing
    if isinstance(thing, list):
        return _with_items(thing, new)
    elements = [new.get(index, old) for index, old in enumerate(thing)]
    make = getattr(type(thing), "_make", type(thing))  # named tuples; torch's own result types take a sequence
    return make(elements)


def _with_fields(thing, new):
    if new:
        thing = copy.copy(thing)
        for name, value in new.items():
            object.__setattr__(thing, name, value)  # also of frozen ones
    return thing
