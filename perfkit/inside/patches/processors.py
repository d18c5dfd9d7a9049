"""How many processors this process may use."""

import os


def usable():
    """Cores of the process's affinity; where that is not known, of the machine."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
