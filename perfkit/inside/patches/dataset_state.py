"""What a data set is like now, to be compared with later: its settings, and which tensors, lists and files it holds."""

MOST_DEPTH = 4  # a data set within a subset within a concatenation, and its transforms
MOST_ITEMS = 512
FILE_LIBRARIES = ("h5py", "lmdb", "sqlite3", "tarfile", "zipfile", "netCDF4", "tables")
GENERATORS = ("Generator", "RandomState", "Random", "SystemRandom")
PLAIN = (bool, int, float, str, bytes, type(None))


def state_of(dataset):
    """A value that differs when the script has changed the data set, as far as a cheap look can tell.

    Elements of long lists and arrays are not looked at; a tensor written in place is noticed.
    """
    seen = []
    _walk(dataset, MOST_DEPTH, seen)
    return seen


def open_file(dataset):
    """Class of an open file or data base that the data set holds, None if it holds none.

    Forked workers share its position: each would read what another has sought, and nobody would notice.
    """
    for thing in _attributes(dataset, MOST_DEPTH):
        cls = type(thing)
        if hasattr(thing, "read") and hasattr(thing, "fileno") and not getattr(thing, "closed", False):
            return cls.__name__
        if (cls.__module__ or "").split(".")[0] in FILE_LIBRARIES:
            return "%s.%s" % (cls.__module__.split(".")[0], cls.__name__)
    return None


def generator(dataset):
    """Class of a random generator that the data set holds, None if it holds none."""
    for thing in _attributes(dataset, MOST_DEPTH):
        cls = type(thing)
        if cls.__name__ in GENERATORS and (cls.__module__ or "").split(".")[0] in ("numpy", "random", "torch", "jax"):
            return cls.__name__
    return None


def _attributes(thing, depth, met=None):
    """What a thing holds, and what that holds, each once and not without end."""
    met = set() if met is None else met
    values = getattr(thing, "__dict__", None)
    if not isinstance(values, dict) or _is_code(thing) or isinstance(thing, type):
        return
    for value in list(values.values()):
        many = isinstance(value, (list, tuple)) and len(value) <= 16
        for item in value if many else (value,):
            if isinstance(item, PLAIN) or id(item) in met or len(met) >= MOST_ITEMS:
                continue
            met.add(id(item))
            yield item
            if depth:
                yield from _attributes(item, depth - 1, met)


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
