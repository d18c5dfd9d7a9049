"""Boots the guest in a Python process that was started under perfkit.

The rules of the house, for everything in `inside/`:

* At boot nothing is imported that a bare interpreter does not already hold. The rest comes after the framework.
* It never imports a framework for a script that does not, and never raises into the user's program: a probe that
  fails disarms itself, records why, and the run goes on.
* Every probe and patch is a reversible pair. No hook stays on an instance. No thread outlives or blocks exit.
* It adds no device synchronisation, no graph break and no recompilation.
* It runs on Python 3.9 and later.
"""

import os
import sys
import time

from ..runs import layout

RUN_VARIABLE = "PERFKIT_GUEST_RUN"
OPTIONS_VARIABLE = "PERFKIT_GUEST_OPTIONS"
# Of a trial that nothing but us keeps from the disk: where what it writes goes, and folders that it may write to (optional).
SCRATCH_VARIABLE = "PERFKIT_GUEST_SCRATCH"
PASSING_VARIABLE = "PERFKIT_GUEST_PASSING"
CANNOT_REDIRECT = 121  # exit code, as of launch.sandbox.enclose where its way fails


def boot():
    """Say that this process is here, and wait for a framework to be imported."""
    run_dir = os.environ.get(RUN_VARIABLE)
    if not run_dir:
        return
    started_ns = time.monotonic_ns()
    _say_hello(run_dir, started_ns)
    watch = ImportWatch()
    for framework in ("torch", "tensorflow", "keras"):
        watch.when(framework, _Framework(run_dir, started_ns, watch, framework))
    stages = _Stages(run_dir)
    for name in _Stages.MODULES:
        watch.when(name, stages)
    sys.meta_path.insert(0, watch)
    scratch = os.environ.get(SCRATCH_VARIABLE)
    # Asked for by name, at the price of a few standard modules.
    if scratch:
        _redirect(scratch, [run_dir, *os.environ.get(PASSING_VARIABLE, "").split(os.pathsep)], watch)
    if "watch=1" in os.environ.get(OPTIONS_VARIABLE, ""):
        from .effects import Effects

        Effects(run_dir).arm(watch)
    if "stream=1" in os.environ.get(OPTIONS_VARIABLE, ""):
        from . import ending  # also of a script without a framework it is told what ended it

        ending.register(run_dir, layout.ENDINGS)
    if "step_on=" in os.environ.get(OPTIONS_VARIABLE, ""):
        # The session opens before any framework.
        from . import session

        session.open_session(run_dir, os.environ[OPTIONS_VARIABLE], watch)


def _redirect(scratch, passing, watch):
    """Send what is written into the scratch folder. A trial for which that fails must not write anywhere: it ends here."""
    try:
        from .redirect import Redirect

        Redirect(scratch, passing).arm(watch)
    except Exception as error:
        line = "perfkit: this trial cannot be kept off the disk: %s: %s\n" % (type(error).__name__, error)
        os.write(2, line.encode("utf-8", "replace"))
        os._exit(CANNOT_REDIRECT)


class ImportWatch:
    """A finder that finds nothing itself: it calls back when a module that was waited for has been executed."""

    def __init__(self):
        self._waiting = {}
        self._finding = False

    def when(self, name, callback):
        """Call ``callback(module, started_ns, ended_ns)`` once *name* is imported; at once if it already is."""
        module = sys.modules.get(name)
        if module is not None and not _initialising(module):
            now = time.monotonic_ns()
            callback(module, now, now)
        else:
            self._waiting.setdefault(name, []).append(callback)

    def find_spec(self, name, path=None, target=None):
        """Part of the finder protocol: the other finders' spec, its loader watched for one execution."""
        if name not in self._waiting or self._finding:
            return None
        self._finding = True
        try:
            spec = self._ask_the_others(name, path, target)
        finally:
            self._finding = False
        if spec is not None and spec.loader is not None:
            self._watch_loader(name, spec.loader)
        return spec

    def _ask_the_others(self, name, path, target):
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec = find(name, path, target) if find else None
            if spec is not None:
                return spec
        return None

    def _watch_loader(self, name, loader):
        execute = getattr(loader, "exec_module", None)
        if execute is None:
            return

        def exec_module(module):
            # Taken off first: the module that the user sees has the loader it would have without us.
            del loader.exec_module
            started_ns = time.monotonic_ns()
            execute(module)
            ended_ns = time.monotonic_ns()
            for callback in self._waiting.pop(name, ()):
                try:
                    callback(module, started_ns, ended_ns)
                except Exception:  # callbacks report their own failures; this is the last wall
                    pass

        try:
            loader.exec_module = exec_module
        except AttributeError:  # a loader with __slots__: this module cannot be watched
            pass


class _Framework:
    """Arms the session when a framework has been imported."""

    def __init__(self, run_dir, boot_ns, watch, name):
        self._run_dir, self._boot_ns, self._watch, self._name = run_dir, boot_ns, watch, name

    def __call__(self, module, started_ns, ended_ns):
        try:
            from . import session

            session.arm(
                self._run_dir,
                os.environ.get(OPTIONS_VARIABLE, ""),
                self._watch,
                boot_ns=self._boot_ns,
                import_ns=(started_ns, ended_ns),
                framework=self._name,
            )
        except Exception as error:
            _say_failed(self._run_dir, "the guest could not arm", error)


class _Stages:
    """Times the stages of scripts whose libraries have no steps, once one of them has been imported."""

    MODULES = ("sklearn.base", "sklearn.datasets", "pandas")

    def __init__(self, run_dir):
        self._run_dir, self._probe = run_dir, None

    def __call__(self, module, started_ns, ended_ns):
        try:
            if self._probe is None:
                from .probes import _sklearn
                from .stages import Stages

                self._probe = _sklearn.Probe(Stages(self._run_dir))
            self._probe.arm(module)
        except Exception as error:
            _say_failed(self._run_dir, "stages cannot be timed", error)


def _say_failed(run_dir, what, error):
    from ..runs.recorder import append_line, quoted

    reason = "%s: %s: %s" % (what, type(error).__name__, error)
    line = '{"pid": %d, "failed": %s}' % (os.getpid(), quoted(reason))
    append_line(os.path.join(run_dir, layout.GUESTS), line)


def alias():
    """Make ``_perfkit`` importable by location, for recordings begun in code; returns the session module."""
    if "_perfkit" not in sys.modules:
        package = type(sys)("_perfkit")
        package.__path__ = [os.path.dirname(os.path.dirname(os.path.abspath(__file__)))]
        sys.modules["_perfkit"] = package
    from importlib import import_module

    return import_module("_perfkit.inside.session")


def _say_hello(run_dir, now_ns):
    try:
        fd = os.open(os.path.join(run_dir, layout.BOOTS), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    except OSError:
        return
    try:
        os.write(fd, b"%d %d %d\n" % (os.getpid(), os.getppid() if hasattr(os, "getppid") else 0, now_ns))
    except OSError:
        pass
    finally:
        os.close(fd)


def _initialising(module):
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
