"""The trace window: a few steady steps under the framework's own profiler, then everything as before.

Opened and closed at step boundaries. Starting, stopping and exporting happen inline (they hold the GIL, so a thread
would gain nothing), and what they cost is marked. The user constructing any profiler closes ours and bars it from reopening.
Which profiler it is, `torch_profiler` and `tensorflow_profiler` know.
"""

import atexit
import os
import sys

from ..model import marks
from ..runs import layout
from .session import LOOK_EVERY_NS, now_ns
from .steadiness import next_candidate, why_steady

NEVER = sys.maxsize
# A sampler that was killed leaves its flag behind; after this long it is not believed any more.
SAMPLING_AT_MOST_NS = 10_000_000_000


class TraceWindow:
    """The state of tracing in one process: idle, open, or barred for good with a reason."""

    def __init__(self, session, profiler):
        self.session, self.profiler = session, profiler
        options = session.options
        self.barred = "--no-trace" if options.no_trace else None
        self.count = 0  # windows opened so far
        self.modes = set()
        self.is_open = False
        self._steps_left = 0
        self._why = ""
        self._waiting_since = None  # when the flag of a stack sampler was first in the way
        self._announced_at = None  # the step at which every rank opens, once rank 0 has said so
        self._asked = False  # a request has been taken and not yet answered
        self._more_steps = 0  # to trace in a second window, once the probe has said how many it may hold
        self._replaces = None
        profiler.watch_users(self._user_makes_a_profiler)

    # -- when ------------------------------------------------------------------------------------------------------

    def look(self, step, at_ns):
        """Called at step boundaries on the slow path. Returns the step at which to be called again."""
        if self.is_open:
            return self._while_open(step)
        if self.barred:
            return NEVER
        if not self.profiler.is_clear():
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
        if mode in self.modes or (mode in ("inference", "backward") and self.profiler.may_train_later()):
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
        session, profiler = self.session, self.profiler
        self.modes.add(session.clock)
        if profiler.is_taken():
            self.bar("another profiler is running")
            return
        self._asked = False
        session.mark(marks.WINDOW_START_ENTER, 0, self.count)
        self._started_ns = now_ns()
        try:
            self._register_exit()
            profiler.start()
            self.is_open = True
            self._first_step, self._steps_left, self._why, self._steps = step, steps, why, steps
            profiler.annotate(step)
        except Exception as error:
            self.is_open = False
            profiler.closed()
            self.bar("the profiler did not start: %s: %s" % (type(error).__name__, error))
        self._start_cost_ns = now_ns() - self._started_ns
        session.mark(marks.WINDOW_START_EXIT, 0, self.count)
        session.recorder.flush()

    def _while_open(self, step):
        self._steps_left -= 1
        self.profiler.end_annotation()
        if self._steps_left > 0:
            self.profiler.annotate(step)
            return step + 1
        traced, replaces = self._steps, self._replaces
        size = self.close("closed")
        if replaces is None and traced == 1 and size is not None:
            # The first step was a probe: it says how many more a window may hold.
            events = max(1, size // self.profiler.EVENT_BYTES)
            more = min(self.session.options.trace_steps, self.session.options.trace_events // events)
            if more > traced:
                self._more_steps, self._replaces = more, self.count - 1
                return step + 1
        return self._next_step_of_interest(step)

    def close(self, state):
        """Stop, export and tear down. Returns the size of the exported file in bytes, None without one."""
        session, profiler = self.session, self.profiler
        if not self.is_open:
            return None
        self.is_open = False
        session.mark(marks.WINDOW_STOP_ENTER, 0, self.count)
        started = now_ns()
        size, reason = None, None
        try:
            profiler.end_annotation()
            profiler.stop()
            size = self._export()
        except Exception as error:
            reason = "%s: %s" % (type(error).__name__, error)
        profiler.closed()
        _give_memory_back()
        session.mark(marks.WINDOW_STOP_EXIT, 0, self.count)
        self._note(state if reason is None else "failed", size, reason, now_ns() - started)
        session.recorder.flush()
        self.count += 1
        return size

    def _file(self):
        return layout.trace_file(self.count, self.profiler.ENDING)

    def _export(self):
        path = os.path.join(self.session.recorder.folder, self._file())
        part = os.path.join(self.session.recorder.folder, "part-" + self._file())  # torch wants the ending
        self.profiler.export(part)
        os.replace(part, path)
        return os.path.getsize(path)

    def _note(self, state, size, reason, stop_cost_ns):
        self.session.fact(
            "window",
            index=self.count,
            state=state,
            file=self._file() if size is not None else None,
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
        if self.is_open:
            self.close("cut short")
        self.barred = self.barred or "the recording has ended"

    def forget_after_fork(self):
        """The window belongs to the parent."""
        self.is_open = False
        self.profiler.forget()
        self.barred = "forked from a traced process"

    # -- standing aside --------------------------------------------------------------------------------------------

    def bar(self, reason):
        """No window from now on."""
        if self.is_open:
            self.close("cut short")
        if not self.barred:
            self.barred = reason
            self.session.fact("window", index=self.count, state="barred", reason=reason)

    def _user_makes_a_profiler(self):
        if not self.session.ended:
            self.bar("the script runs its own profiler")

    def _register_exit(self):
        # Exiting with a window open segfaults. Registered here so that it runs before what was registered earlier.
        if self.count == 0:
            atexit.register(self._at_exit)

    def _at_exit(self):
        if self.is_open and os.getpid() == self.session.pid:
            self.close("cut short")


def _give_memory_back():
    import gc

    gc.collect(0)
    if sys.platform.startswith("linux"):
        try:
            import ctypes

            ctypes.CDLL(None).malloc_trim(0)
        except (OSError, AttributeError):
            pass
