"""Functions that write to a path from native code, past every hook that Python has."""

import functools
import sys

from .replace import replace

#: Module -> (function, position of the path, its name as a keyword).
WRITERS = {
    "torch.serialization": (("save", 1, "f"),),
    "torch.jit._serialization": (("save", 1, "f"),),
    "safetensors.torch": (("save_file", 1, "filename"), ("save_model", 1, "filename")),
    "safetensors.numpy": (("save_file", 1, "filename"),),
    "sqlite3": (("connect", 0, "database"),),
    "cv2": (("imwrite", 0, "filename"),),
    "pyarrow.parquet": (("write_table", 1, "where"),),
}
#: Functions that read such a file in native code, too.
READERS = {
    "torch.jit._serialization": (("load", 0, "f"),),
    "safetensors": (("safe_open", 0, "filename"),),
    "safetensors.torch": (("load_file", 0, "filename"), ("load_model", 1, "filename")),
    "cv2": (("imread", 0, "filename"),),
    "pyarrow.parquet": (("read_table", 0, "source"),),
}
#: Modules that hold the same functions under the same names.
ALSO_IN = {"torch.serialization": "torch", "torch.jit._serialization": "torch.jit"}


def watch_paths(watch, table, handle):
    """As each module of *table* is imported, let *handle* see every path that its functions are given, and replace it.

    *handle* gets a string or path and returns what the function is to get instead. A file object is not shown to it.
    """
    for module_name, functions in table.items():
        watch.when(module_name, functools.partial(_wrap_all, functions, handle))


def _wrap_all(functions, handle, module, *_):
    for name, position, keyword in functions:
        original = getattr(module, name, None)
        if original is None:
            continue
        replace(module, name, functools.partial(_wrapped, position, keyword, handle))
        also = sys.modules.get(ALSO_IN.get(module.__name__))
        if also is not None and getattr(also, name, None) is original:
            setattr(also, name, getattr(module, name))


def _wrapped(position, keyword, handle, original):
    @functools.wraps(original)
    def call(*args, **kwargs):
        if keyword in kwargs:
            kwargs[keyword] = _shown(kwargs[keyword], handle)
        elif len(args) > position:
            args = (*args[:position], _shown(args[position], handle), *args[position + 1 :])
        return original(*args, **kwargs)

    return call


def _shown(value, handle):
    return handle(value) if isinstance(value, str) or hasattr(value, "__fspath__") else value
