"""What a data set is like now, to be compared with later: its settings, and which tensors and lists it holds."""

MOST_DEPTH = 4  # a data set within a subset within a concatenation, and its transforms
MOST_ITEMS = 512
PLAIN = (bool, int, float, str, bytes, type(None))


def state_of(dataset):
    """A value that differs when the script has changed the data set, as far as a cheap look can tell.

    Elements of long lists and arrays are not looked at; a tensor written in place is noticed.
    """
    seen = []
    _walk(dataset, MOST_DEPTH, seen)
    return seen


def _walk(thing, depth, seen):
    if len(seen) >= MOST_ITEMS:
        return
    if isinstance(thing, PLAIN):
        seen.append(thing)
    elif hasattr(thing, "_version"):  # a tensor: counts its changes in place
        seen.append((id(thing), _version(thing)))
    elif isinstance(thing, (list, tuple, set, frozenset, dict)):
        _walk_container(thing, depth, seen)
    else:
        seen.append(id(thing))
        attributes = getattr(thing, "__dict__", None)
        if depth and isinstance(attributes, dict) and not isinstance(thing, type) and not _is_code(thing):
            for key in list(attributes):
                seen.append(key)
                _walk(attributes[key], depth - 1, seen)


def _walk_container(thing, depth, seen):
    seen.append((id(thing), len(thing)))
    if depth and len(thing) <= 16 and isinstance(thing, (list, tuple)):
        for item in thing:
            _walk(item, depth - 1, seen)


def _is_code(thing):
    """Whether a thing is a function or a module of code, whose attributes are no data."""
    return hasattr(thing, "__code__") or type(thing).__name__ == "module"


def _version(tensor):
    try:
        return tensor._version
    except RuntimeError:  # an inference tensor counts nothing
        return 0
