"""The stages of a script without steps: loading, transforming, fitting, predicting; each timed and sized as it ends.

A stage within another (the steps of a pipeline, the trees of a forest in their threads) is a part of it: its calls and times are added up there. So
a line is written per outermost stage only. Lines of ``stages.jsonl``:

    pid, t, dur, cpu   process; start and length on CLOCK_MONOTONIC and the process's CPU time meanwhile, in ns
    what, of           load, transform, fit, predict or score; "Pipeline.fit"
    rows, columns, rows_out, bytes, dtype   of the first argument, and of what came back; where they are known
    n_jobs             of an estimator that takes it
    same               how many times before the same object has done this with the same data
    raised             class of an exception that ended it
    parts              [{path, what, calls, ns, rows, columns, rows_out, bytes, dtype, n_jobs}], path: its name below those that it is part of
    calls              where one line stands for several alike: how many, dur their sum
"""

import atexit
import functools
import json
import os
import sys
import threading
import time
import weakref

from ..runs import layout
from ..runs.recorder import append_line

# So many stages have a line of their own; in a script with more, those of one kind share a line each second.
MOST_LINES = 2000
SHARED_EVERY_NS = 1_000_000_000
# Distinct parts of a stage, and how deep they are told apart.
MOST_PARTS, MOST_DEPTH = 200, 4
# Packages whose name is another than their module's.
NAMES = {"sklearn": "scikit-learn"}
# (object, data) pairs that are remembered, to know when one comes again.
MOST_KNOWN = 10_000

now_ns = time.monotonic_ns


class Stages:
    """Times the stages of one process."""

    def __init__(self, run_dir):
        self._run_dir, self._path = run_dir, os.path.join(run_dir, layout.STAGES)
        self._libraries = set()
        self._lock = threading.Lock()
        self._of_thread = {}  # thread -> its open stages, outermost first
        self._lines = 0
        self._shared, self._shared_ns = {}, 0
        self._known = {}
        self.active = True
        atexit.register(self.flush)

    def watches(self, module):
        """Say in guests.jsonl that a library's stages are timed here, and which version of it."""
        name = module.__name__.partition(".")[0]
        if name in self._libraries:
            return
        self._libraries.add(name)
        version = getattr(sys.modules.get(name), "__version__", None)
        line = {"pid": os.getpid(), "libraries": {NAMES.get(name, name): version}, "stages_ns": now_ns()}
        append_line(os.path.join(self._run_dir, layout.GUESTS), json.dumps(line))

    def wrapped(self, what, original, name=None):
        """*original*, a method or (with a *name*) a function, timed as a stage."""

        @functools.wraps(original)
        def stage(*args, **kwargs):
            opened = self._begin(what, args, kwargs, original, name) if self.active else None
            if opened is None:
                return original(*args, **kwargs)
            try:
                result = original(*args, **kwargs)
            except BaseException as error:
                self._end(opened, None, type(error).__name__)
                raise
            self._end(opened, result, None)
            return result

        return stage

    # -- one stage -------------------------------------------------------------------------------------------------

    def _begin(self, what, args, kwargs, original, name):
        try:
            owner, data = (None, None) if name is not None else (args[0], _first(args, kwargs))
            called = name or "%s.%s" % (type(owner).__name__, original.__name__)
            opened = _Stage(what, called, owner, data)
            thread = threading.get_ident()
            mine = self._of_thread.get(thread)
            if mine is None:
                with self._lock:
                    others = [stages for stages in self._of_thread.values() if stages]
                    mine = self._of_thread[thread] = []
                if others:  # of a thread that another stage has started
                    opened.is_part_of(others[0][0])
            elif mine:
                opened.is_part_of(mine[-1])
            mine.append(opened)
            return opened
        except Exception:  # a class that does not like to be asked: it is not timed
            return None

    def _end(self, opened, result, raised):
        try:
            opened.dur = now_ns() - opened.t
            opened.cpu = time.process_time_ns() - opened.cpu_began
            mine = self._of_thread.get(threading.get_ident(), [])
            while mine and mine.pop() is not opened:
                pass
            if not mine:
                with self._lock:
                    self._of_thread.pop(threading.get_ident(), None)
            opened.sized_out(result)
            if opened.root is not None:
                with self._lock:
                    opened.root.add(opened)
            else:
                self._write(opened, raised)
            opened.owner = opened.data = None
        except Exception:  # nothing of this may reach the script
            self.active = False

    def _write(self, opened, raised):
        if self._lines >= MOST_LINES:
            self._share(opened)
            return
        self._lines += 1
        row = opened.row()
        row["pid"], row["same"] = os.getpid(), self._seen_before(opened)
        if raised:
            row["raised"] = raised
        append_line(self._path, json.dumps(row))

    def _seen_before(self, opened):
        """How often this very object has done this with this very data; a number of an object that is gone may be another's by now."""
        if opened.data is None or len(self._known) >= MOST_KNOWN:
            return 0
        key = opened.of, id(opened.owner), id(opened.data)
        owner, data, before = self._known.get(key, (None, None, 0))
        if before and not (owner() is opened.owner and data() is opened.data):
            before = 0
        try:
            self._known[key] = weakref.ref(opened.owner), weakref.ref(opened.data), before + 1
        except TypeError:  # a list cannot be referred to
            return 0
        return before

    # -- very many stages ------------------------------------------------------------------------------------------

    def _share(self, opened):
        with self._lock:
            kept = self._shared.get((opened.what, opened.of))
            if kept is None:
                kept = self._shared[opened.what, opened.of] = dict(opened.row(), calls=0, dur=0, cpu=0, parts=[])
            kept["calls"] += 1
            kept["dur"] += opened.dur
            kept["cpu"] += opened.cpu
        if now_ns() - self._shared_ns > SHARED_EVERY_NS:
            self.flush()

    def flush(self):
        """Write what shares lines."""
        with self._lock:
            rows, self._shared, self._shared_ns = list(self._shared.values()), {}, now_ns()
        for row in rows:
            append_line(self._path, json.dumps(dict(row, pid=os.getpid(), same=0)))


class _Stage:
    """One that is open."""

    def __init__(self, what, of, owner, data):
        self.what, self.of, self.owner, self.data = what, of, owner, data
        self.root, self.path, self.parts = None, (), {}
        self.sizes = _sizes(data)
        n_jobs = getattr(owner, "n_jobs", _ABSENT)
        if n_jobs is None or isinstance(n_jobs, int):
            self.sizes["n_jobs"] = n_jobs
        self.cpu_began, self.t = time.process_time_ns(), now_ns()
        self.dur = self.cpu = 0

    def is_part_of(self, parent):
        """It began within another."""
        self.root, self.path = parent.root or parent, (*parent.path, self.of)

    def sized_out(self, result):
        """Rows of what came back, which of ``fit`` is the estimator itself."""
        if result is not self.owner:
            rows = _sizes(result).get("rows")
            if rows is not None:
                self.sizes["rows_out"] = rows

    def add(self, part):
        """A stage within has ended."""
        if len(part.path) > MOST_DEPTH:
            return
        known = self.parts.get(part.path)
        if known is None:
            if len(self.parts) >= MOST_PARTS:
                return
            known = self.parts[part.path] = dict(part.sizes, path=part.path, what=part.what, calls=0, ns=0)
        known["calls"] += 1
        known["ns"] += part.dur

    def row(self):
        """As it is written."""
        parts = list(self.parts.values())
        return dict(self.sizes, what=self.what, of=self.of, t=self.t, dur=self.dur, cpu=self.cpu, parts=parts)


_ABSENT = object()


def _first(args, kwargs):
    """What a method was given: X."""
    if len(args) > 1:
        return args[1]
    return next((kwargs[name] for name in ("X", "raw_documents", "y") if name in kwargs), None)


def _sizes(data):
    """rows, columns, bytes and dtype of a table, an array or a list; what is not known is left out."""
    sizes = {}
    shape = getattr(data, "shape", None)
    if isinstance(shape, tuple) and shape:
        sizes["rows"] = int(shape[0])
        if len(shape) > 1:
            sizes["columns"] = int(shape[1])
    elif isinstance(data, (list, tuple)):
        sizes["rows"] = len(data)
    size = getattr(data, "nbytes", None)
    if isinstance(size, int):
        sizes["bytes"] = size
    dtype = getattr(data, "dtype", None)
    if dtype is not None:
        sizes["dtype"] = str(dtype)
    return sizes
