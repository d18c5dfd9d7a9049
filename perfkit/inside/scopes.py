"""Which ``record_function`` scopes that began inside one of our windows are still open.

A scope keeps a pointer into the profiler session it began in, and writes through it when it ends *if a profiler is running
by then*. So a scope that outlives its window must have ended before another window opens, or it writes into freed
memory (torch 2.13; our step boundary itself lies inside ``Optimizer.step``). Watched only while a window is open and until
the scopes from it have ended.
"""

import functools


class OpenScopes:
    """Counts scopes by patching the class's enter and exit for as long as it matters."""

    def __init__(self, torch):
        self._class = torch.autograd.profiler.record_function
        self._open = set()
        self._window_open = False
        self._undo = None

    def window_opens(self):
        """Begin to note scopes that begin."""
        self._window_open = True
        if self._undo is None:
            self._patch()

    def window_closed(self):
        """Note no more beginnings; keep on noting ends."""
        self._window_open = False
        self._rest()

    def all_ended(self):
        """Whether no scope from an earlier window is open, so that a new window is safe."""
        return not self._open

    def forget(self):
        """In a forked child."""
        self._open.clear()
        self._window_open = False
        self._rest()

    def _patch(self):
        cls, enter, leave = self._class, self._class.__enter__, self._class.__exit__
        scopes = self

        @functools.wraps(enter)
        def __enter__(self):
            if scopes._window_open:
                scopes._open.add(id(self))
            return enter(self)

        @functools.wraps(leave)
        def __exit__(self, *exc):
            result = leave(self, *exc)
            scopes._open.discard(id(self))
            if not scopes._window_open:
                scopes._rest()
            return result

        cls.__enter__, cls.__exit__ = __enter__, __exit__

        def undo():
            if cls.__enter__ is __enter__:
                cls.__enter__, cls.__exit__ = enter, leave

        self._undo = undo

    def _rest(self):
        if self._undo is not None and not self._open and not self._window_open:
            self._undo()
            self._undo = None
