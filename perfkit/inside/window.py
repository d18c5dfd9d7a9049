"""The trace window: a few steady steps under the framework's own profiler, then everything as before.

Opened and closed at step boundaries. Starting, stopping and exporting happen inline (they hold the GIL, so a thread
would gain nothing), and what they cost is marked. While it is open, ``nn.Module.__call__`` names every module call in
the trace; the user constructing any profiler closes ours and bars it from reopening.
"""

import atexit
import os
import sys

from ..model import marks
from ..runs import layout
from .module_names import ModuleNames
from .scopes import OpenScopes
from .session import LOOK_EVERY_NS, now_ns
from .steadiness import next_candidate, why_steady

EVENT_BYTES = 300  # an exported event is about this long (measured: 260 to 360)
NEVER = sys.maxsize
# A sampler that was killed leaves its flag behind; after this long it is not believed any more.
SAMPLING_AT_MOST_NS = 10_000_000_000


class TraceWindow:
    """The state of tracing in one process: idle, open, or barred for good with a reason."""

    def __init__(self, session, torch):
        self.session, self.torch = session, torch
        options = session.options
        self.barred = "--no-trace" if options.no_trace else None
        self.count = 0  # windows opened so far
        self.modes = set()
        self.profile = None  # the profiler while a window is open
        self._ours = False  # true while we construct our own profiler
        self._steps_left = 0
        self._why = ""
        self._annotation = None
        self._modules = ModuleNames(session, torch)
        self._scopes = OpenScopes(torch)
        self._waiting_since = None  # when the flag of a stack sampler was first in the way
        self._announced_at = None  # the step at which every rank opens, once rank 0 has said so
        self._asked = False  # a request has been taken and not yet answered
        self._more_steps = 0  # to trace in a second window, once the probe has said how many it may hold
        self._replaces = None
        self._watch_users_profilers()

    # -- when ------------------------------------------------------------------------------------------------------

    def look(self, step, at_ns):
        """Called at step boundaries on the slow path. Returns the step at which to be called again."""
        if self.profile is not None:
            return self._while_open(step)
        if self.barred:
            return NEVER
        if not self._scopes.all_ended():
            return step + 1
        if self._more_steps:
            more, self._more_steps = self._more_steps, 0
            self.open(step, more, self._why)
            return step + 1
        why = self._reason_to_open(step, at_ns)
        if why and self._stacks_are_sampled(at_ns):
            return step + 1
        if why:
            self.open(step, 1, why)
            return step + 1
        return self._next_step_of_interest(step)

    def _reason_to_open(self, step, at_ns):
        if self._requested():
            return "requested"
        session, options = self.session, self.session.options
        mode = session.clock
        if mode in self.modes or (mode in ("inference", "backward") and session.roots.may_train_later()):
            return None
        if options.trace_at_step is not None:
            return "at step %d, as asked" % step if step >= options.trace_at_step else None
        if options.trace_at_seconds is not None:
            return "after %g s, as asked" % options.trace_at_seconds if self._old_enough(at_ns) else None
        return self._ranks_agree(step)

    def _stacks_are_sampled(self, at_ns):
        """A sampler outside is reading this process: a trace of now would show its pauses as ours."""
        path = os.path.join(self.session.recorder.run_dir, layout.CONTROL, layout.CONTROL_SAMPLING)
        if not os.path.exists(path):
            self._waiting_since = None
            return False
        self._waiting_since = self._waiting_since or at_ns
        return at_ns - self._waiting_since < SAMPLING_AT_MOST_NS

    def _old_enough(self, at_ns):
        return at_ns - self.session.armed_ns >= self.session.options.trace_at_seconds * 1e9

    def _ranks_agree(self, step):
        """Rank 0 decides and writes down the step; the others read it."""
        recorder = self.session.recorder
        path = os.path.join(recorder.run_dir, layout.CONTROL, layout.CONTROL_WINDOW_AT)
        world = int(os.environ.get("WORLD_SIZE") or 1)
        if recorder.rank == 0 or world == 1:
            steady = why_steady(step, self.session.recent)
            if steady and world > 1 and not os.path.exists(path):
                return self._announce(path, step)
            return steady if world == 1 else self._announced(path, step)
        return self._announced(path, step)

    def _announce(self, path, step):
        recent = self.session.recent
        step_ns = max(1, (recent[-1] - recent[0]) // max(1, len(recent) - 1))
        at = step + 2 + int(2 * LOOK_EVERY_NS // step_ns)  # far enough for every rank to have looked
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + ".tmp", "w") as file:
            file.write(str(at))
        os.replace(path + ".tmp", path)
        self._announced_at = at

    def _announced(self, path, step):
        if self._announced_at is None:
            try:
                with open(path) as file:
                    self._announced_at = int(file.read())
            except (OSError, ValueError):
                return None
        return "steady on rank 0" if step >= self._announced_at else None

    def _next_step_of_interest(self, step):
        options = self.session.options
        if self._announced_at is not None and self._announced_at > step:
            return self._announced_at
        if options.trace_at_step is not None and options.trace_at_step > step:
            return options.trace_at_step
        return next_candidate(step)

    def _requested(self):
        path = os.path.join(self.session.recorder.run_dir, layout.CONTROL, layout.CONTROL_TRACE)
        if self._asked or not os.path.exists(path):
            return self._asked
        self._asked = True
        if self.session.recorder.rank == 0:
            os.unlink(path)
        return True

    # -- open and close --------------------------------------------------------------------------------------------

    def open(self, step, steps, why):
        """Start the profiler for *steps* steps. Never raises."""
        torch, session = self.torch, self.session
        self.modes.add(session.clock)
        if torch._C._autograd._profiler_enabled():
            self._bar("another profiler is running")
            return
        self._asked = False
        session.mark(marks.WINDOW_START_ENTER, 0, self.count)
        self._started_ns = now_ns()
        try:
            self._register_exit()
            self._scopes.window_opens()
            self.profile = self._make_profile()
            with _InductorUnasked(torch):
                self.profile.start()
            self._modules.name_calls()
            self._first_step, self._steps_left, self._why, self._steps = step, steps, why, steps
            self._annotate(step)
        except Exception as error:
            self.profile = None
            self._scopes.window_closed()
            self._bar("the profiler did not start: %s: %s" % (type(error).__name__, error))
        self._start_cost_ns = now_ns() - self._started_ns
        session.mark(marks.WINDOW_START_EXIT, 0, self.count)
        session.recorder.flush()

    def _make_profile(self):
        profiler = self.torch.profiler
        activities = [profiler.ProfilerActivity.CPU]
        if self.torch.cuda.is_available() and self.torch.cuda.is_initialized():
            activities.append(profiler.ProfilerActivity.CUDA)
        self._ours = True
        try:
            return profiler.profile(
                activities=activities, record_shapes=True, with_stack=self.session.options.trace_stacks
            )
        finally:
            self._ours = False

    def _while_open(self, step):
        self._steps_left -= 1
        self._end_annotation()
        if self._steps_left > 0:
            self._annotate(step)
            return step + 1
        traced, replaces = self._steps, self._replaces
        size = self.close("closed")
        if replaces is None and traced == 1 and size is not None:
            # The first step was a probe: it says how many more a window may hold.
            events = max(1, size // EVENT_BYTES)
            more = min(self.session.options.trace_steps, self.session.options.trace_events // events)
            if more > traced:
                self._more_steps, self._replaces = more, self.count - 1
                return step + 1
        return self._next_step_of_interest(step)

    def close(self, state):
        """Stop, export and tear down. Returns the size of the exported file in bytes, None without one."""
        session, profile = self.session, self.profile
        if profile is None:
            return None
        self.profile = None
        session.mark(marks.WINDOW_STOP_ENTER, 0, self.count)
        started = now_ns()
        self._end_annotation()
        self._modules.unname()
        size, reason = None, None
        try:
            profile.stop()
            size = self._export(profile)
        except Exception as error:
            reason = "%s: %s" % (type(error).__name__, error)
        del profile
        self._scopes.window_closed()
        _give_memory_back()
        session.mark(marks.WINDOW_STOP_EXIT, 0, self.count)
        self._note(state if reason is None else "failed", size, reason, now_ns() - started)
        session.recorder.flush()
        self.count += 1
        return size

    def _export(self, profile):
        path = os.path.join(self.session.recorder.folder, layout.trace_file(self.count))
        profile.export_chrome_trace(path + ".part.json")
        os.replace(path + ".part.json", path)
        return os.path.getsize(path)

    def _note(self, state, size, reason, stop_cost_ns):
        self.session.fact(
            "window",
            index=self.count,
            state=state,
            file=layout.trace_file(self.count) if size is not None else None,
            first_step=self._first_step,
            steps=self._steps - max(0, self._steps_left),
            replaces=self._replaces,
            why=self._why,
            reason=reason,
            bytes=size,
            start_cost_ns=self._start_cost_ns,
            stop_cost_ns=stop_cost_ns,
        )
        self._replaces = None

    def close_for_good(self):
        """The recording ends: close what is open and let the user's profilers alone."""
        if self.profile is not None:
            self.close("cut short")
        self.barred = self.barred or "the recording has ended"

    def forget_after_fork(self):
        """The window belongs to the parent."""
        self.profile = self._annotation = None
        self._modules.unname()
        self._scopes.forget()
        self.barred = "forked from a traced process"

    def _annotate(self, step):
        self._annotation = self.torch.autograd.profiler.record_function("perfkit.step#%d" % step)
        self._annotation.__enter__()

    def _end_annotation(self):
        if self._annotation is not None:
            self._annotation.__exit__(None, None, None)
            self._annotation = None

    # -- standing aside --------------------------------------------------------------------------------------------

    def _bar(self, reason):
        self.barred = reason
        self.session.fact("window", index=self.count, state="barred", reason=reason)

    def _user_makes_a_profiler(self):
        if self._ours or self.session.ended:
            return
        if self.profile is not None:
            self.close("cut short")
        if not self.barred:
            self._bar("the script runs its own profiler")

    def _watch_users_profilers(self):
        legacy = self.torch.autograd.profiler.profile
        modern = self.torch.profiler.profile
        for owner in (legacy, modern):
            self._watch_constructor(owner)

    def _watch_constructor(self, owner):
        original, window = owner.__init__, self

        def __init__(self, *args, **kwargs):
            if not window._inside_ours(owner):
                window._user_makes_a_profiler()
            original(self, *args, **kwargs)

        __init__.__wrapped__ = original
        __init__.__doc__ = original.__doc__
        owner.__init__ = __init__
        self.session.undo.append(("window", lambda: setattr(owner, "__init__", original)))

    def _inside_ours(self, owner):
        # torch.profiler.profile makes an autograd profile when it starts, which is not a second profiler.
        return self._ours or (self.profile is not None and owner is self.torch.autograd.profiler.profile)

    def _register_exit(self):
        # Exiting with a window open segfaults. Registered here so that it runs before what was registered earlier.
        if self.count == 0:
            atexit.register(self._at_exit)

    def _at_exit(self):
        if self.profile is not None and os.getpid() == self.session.pid:
            self.close("cut short")


class _InductorUnasked:
    """While a profiler starts: torch's asks ``hasattr(torch, "_inductor")``, and that import brings 800 modules with it (1 s, in
    a script that compiles nothing and has no optimizer, whose construction imports it anyway). It only wants to know about
    CUDA graphs of compiled code, of which there can be none.
    """

    def __init__(self, torch):
        self._torch = torch
        self._original = None if "torch._inductor" in sys.modules else torch.__dict__.get("__getattr__")

    def __enter__(self):
        original = self._original
        if original is not None:

            def __getattr__(name):
                if name == "_inductor" and sys._getframe(1).f_globals.get("__name__") == "torch.profiler.profiler":
                    raise AttributeError(name)
                return original(name)

            self._torch.__getattr__ = __getattr__

    def __exit__(self, *exc):
        if self._original is not None:
            self._torch.__getattr__ = self._original


def _give_memory_back():
    import gc

    gc.collect(0)
    if sys.platform.startswith("linux"):
        try:
            import ctypes

            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):
            pass
