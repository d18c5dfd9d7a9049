"""Settings that hold only while the script computes, so that asking at start or end would miss them.

Looked at in the first calls and backward passes, while roots are still being found; a fact is written when they differ from
what was seen before.
"""

# A script that switches settings at every call tells us no more than this many times.
MOST_NOTES = 8
# Our own trace window, which may open from the 16th step on, must not be taken for the script's profiler.
PROFILER_STEPS = 8


class Observed:
    """What was in force around model calls and inside ``backward``."""

    def __init__(self, session, torch):
        self._session, self._torch = session, torch
        self._seen = {}
        self._left = MOST_NOTES

    def call(self, grad):
        """After an outermost model call that had gradients enabled, or not."""
        self._note("autocast", grad=bool(grad), dtype=autocast_dtype(self._torch))

    def backward(self):
        """After a backward pass, still inside whatever the script wrapped it in."""
        torch = self._torch
        profiler = getattr(torch.autograd, "_profiler_enabled", None)
        if profiler is not None and self._session.steps < PROFILER_STEPS:
            self._note("autograd", anomaly_detection=bool(torch.is_anomaly_enabled()), profiler=bool(profiler()))

    def _note(self, kind, **values):
        key = (kind, values.get("grad"))
        if self._seen.get(key) != values and self._left > 0:
            self._left -= 1
            self._seen[key] = values
            self._session.fact(kind, **values)


def autocast_dtype(torch):
    """Name of the type that autocast computes in, None when it is off."""
    for device in ("cuda", "cpu"):
        try:
            if torch.is_autocast_enabled(device):
                return str(torch.get_autocast_dtype(device)).replace("torch.", "")
        except TypeError:  # before torch 2.4: one function per device
            return _old_autocast_dtype(torch)
    return None


def _old_autocast_dtype(torch):
    if torch.is_autocast_enabled():
        return str(torch.get_autocast_gpu_dtype()).replace("torch.", "")
    if torch.is_autocast_cpu_enabled():
        return str(torch.get_autocast_cpu_dtype()).replace("torch.", "")
    return None
