"""Pauses for Python's garbage collector, as marks.

The interpreter itself calls back before and after each collection. A short one leaves no trace: a step collects the
youngest generation many times, in microseconds.
"""

import gc
import os
import sys
from threading import get_ident

from ..model import marks
from ..runs.recorder import pack
from .session import now_ns

# Shorter collections are not noted: a thousand of them would be worth one mark each and change nothing.
SHORTEST_NS = 200_000
INSTALLED = frozenset(("site-packages", "dist-packages"))
_STDLIB, _OURS = (os.path.dirname(os.path.abspath(path)) + os.sep for path in (os.__file__, __file__))


def arm(session):
    """Note the collections of this process from now on."""
    if not any(isinstance(callback, _Pauses) for callback in gc.callbacks):
        pauses = _Pauses(session)
        gc.callbacks.append(pauses)
        session.undo.append(("pauses", pauses.remove))
    # A collection may begin while a compiled model runs, and what it calls back would be compiled as well.
    for function in (_Pauses.__call__, _Pauses._note, _caller) if hasattr(session, "calls") else ():
        session.calls.never_compile(function)


class _Pauses:
    """What the collector calls: with "start" and with "stop"."""

    def __init__(self, session):
        self._session = session
        self._began = self._explicit = 0

    def __call__(self, phase, info):
        if phase == "start":
            # A collection of the interpreter's own has a count above the threshold. An explicit one has not.
            count, threshold = gc.get_count()[0], gc.get_threshold()[0]
            self._explicit = 0 if count > threshold and gc.isenabled() else marks.GC_EXPLICIT
            self._began = now_ns()
            return
        at = now_ns()
        if at - self._began >= SHORTEST_NS and self._began and self._session.recorder.folder is not None:
            self._note(at, info)

    def _note(self, at, info):
        session = self._session
        try:
            asked, flags = 0, self._explicit
            if flags:
                name, installed = _caller()
                asked = session.name_id(name)
                flags |= marks.GC_BY_LIBRARY if installed else 0
            where = marks.GC | asked << 8 | session.threads[get_ident()]
            session.rows.append(pack(at, where, at - self._began, info["generation"] | flags))
        except Exception as error:
            session.broke("pauses", error)

    def remove(self):
        """Note no more."""
        if self in gc.callbacks:
            gc.callbacks.remove(self)


def _caller():
    """File (with its folder) and line that called ``gc.collect``, which is the callback's own caller; and whether that is in
    an installed package, the standard library or perfkit.
    """
    frame = sys._getframe(3)
    parts = frame.f_code.co_filename.replace(os.sep, "/").split("/")
    installed = not INSTALLED.isdisjoint(parts) or frame.f_code.co_filename.startswith((_STDLIB, _OURS))
    return "%s:%d" % ("/".join(parts[-2:]), frame.f_lineno), installed
