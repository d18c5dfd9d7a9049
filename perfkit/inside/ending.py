"""Notes the class of the exception that ended the script: memory that ran out leaves no other trace.

Its text stays where it is, for it may hold anything; only whether it speaks of memory is looked at.
"""

import atexit
import os
import sys

_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory", "unable to allocate")


_registered = []  # of this process


def register(run_dir, name):
    """At this process's exit, append to the file *name* in *run_dir* what ended it, if an exception did."""
    if os.getpid() in _registered:
        return
    _registered[:] = [os.getpid()]
    atexit.register(_note, os.path.join(run_dir, name), os.getpid())


def _note(path, pid):
    try:
        error = getattr(sys, "last_exc", None) or getattr(sys, "last_value", None)
        if error is None or os.getpid() != pid:
            return
        import json

        from ..runs.recorder import append_line

        line = {"pid": pid, "exception": name_of(type(error)), "memory": speaks_of_memory(error)}
        append_line(path, json.dumps(line))
    except Exception:
        pass  # the script has ended already: nothing to disarm, and nobody to tell


def name_of(kind):
    """``torch.OutOfMemoryError``; of builtins the bare name."""
    return kind.__name__ if kind.__module__ == "builtins" else "%s.%s" % (kind.__module__, kind.__qualname__)


def speaks_of_memory(error):
    """Whether memory that ran out is what the exception is about."""
    if isinstance(error, MemoryError) or "OutOfMemory" in type(error).__name__:
        return True
    text = str(error)[:2000].lower()
    return any(word in text for word in _WORDS)
