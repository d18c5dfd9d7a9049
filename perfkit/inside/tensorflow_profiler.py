"""TensorFlow's profiler, for the trace window. It writes XPlane traces."""

import functools
import os
import shutil
import sys

from .profiler import Profiler
from .replace import replace

_WRAPPER = "tensorflow.python.profiler.internal._pywrap_profiler"
_PROFILER = "tensorflow.python.profiler.profiler_v2"
# The user's own ways to start one: where the function is defined, and where the API holds it under the same name.
_STARTS = (_PROFILER, "tensorflow._api.v2.profiler.experimental")


class TensorFlowProfiler(Profiler):
    """TensorFlow's."""

    ENDING = ".xplane.pb"
    EVENT_BYTES = 30  # an exported event is about this long (measured: 25 to 35)

    def __init__(self, session, watch):
        super().__init__()
        self._session, self._watch = session, watch
        self._recording = self._folder = None

    def is_clear(self):
        """Nothing of an earlier window is ever left."""
        return True

    def is_taken(self):
        """Whether another profiler is running."""
        module = sys.modules.get(_PROFILER)
        return getattr(module, "_profiler", None) is not None

    def may_train_later(self):
        """It cannot be told of a script that calls models."""
        return False

    def start(self):
        """Begin to record; raises what TensorFlow raises."""
        self._folder = os.path.join(self._session.recorder.folder, "tf-profiler")
        self._recording = sys.modules[_WRAPPER].ProfilerSession()
        self._recording.start(self._folder, {})

    def _named(self, step):
        return sys.modules["tensorflow.python.profiler.trace"].Trace("perfkit.step", step_num=step, _r=1)

    def stop(self):
        """Record no more. (Its own `stop` would give the trace in another form; this one writes files as for TensorBoard.)"""
        self._recording.export_to_tb()

    def export(self, path):
        """Keep what was recorded at *path*."""
        for folder, _, names in os.walk(self._folder):
            for name in names:
                if name.endswith(self.ENDING):
                    os.replace(os.path.join(folder, name), path)

    def closed(self):
        """Let go of what was recorded, however the window ended."""
        self._recording = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def forget(self):
        """In a forked child: it is the parent's."""
        self._recording = self._folder = self._annotation = None

    def watch_users(self, told):
        """Call *told* before the script starts a profiler of its own."""
        for name in _STARTS:
            self._watch.when(name, lambda module, *_: self._watch_start(module, told))

    def _watch_start(self, module, told):
        def make(original):
            @functools.wraps(original)
            def start(*args, **kwargs):
                told()
                return original(*args, **kwargs)

            return start

        self._session.undo.append(("window", replace(module, "start", make)))
