"""What the profilers of the trace window have in common."""


class Profiler:
    """A framework's profiler, as `window.TraceWindow` asks for it. A subclass makes the annotation of a step: ``_named(step)``."""

    def __init__(self):
        self._annotation = None

    def annotate(self, step):
        """A step begins."""
        self._annotation = self._named(step)
        self._annotation.__enter__()

    def end_annotation(self):
        """The step has ended."""
        if self._annotation is not None:
            self._annotation.__exit__(None, None, None)
            self._annotation = None
