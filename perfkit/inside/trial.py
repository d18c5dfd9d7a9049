"""A trial: the process stops itself after so many steady steps (or at the end of a screening or a relay), and leaves nothing to do.

It ends with ``os._exit``: a script in the middle of its training has handlers, ``finally`` blocks and threads that would
save a checkpoint, upload a log or wait for ever, and none of them knows that this is the end. What perfkit recorded is
whole by then; rank 0 decides for all.
"""

import os
import sys

from ..model import marks
from ..runs import layout
from .steadiness import next_candidate, why_steady

# What the trial's fact says of it.
COMPLETE, TIME_IS_UP, STOPPED_BY_RANK_0, ENDED = "complete", "time is up", "stopped by rank 0", "ended by itself"


class Trial:
    """Decides at step boundaries when this process has shown enough."""

    def __init__(self, session, turns=None):
        self._session = session
        self._turns = turns  # what the steady steps are for: screening.Screening or relay.Relay
        self._losses = []
        self._control = os.path.join(session.recorder.run_dir, layout.CONTROL)
        self._clock = None
        self._steady_from = self._steady_ns = None
        self._why_steady = None
        self._state = ENDED

    def keep(self, losses, watch):
        """Begin to keep *losses* (`losses.Losses`), of one framework. What the first that saw any has kept is written."""
        losses.arm(watch)
        self._losses.append(losses)

    def look(self, step, at_ns):
        """Called at step boundaries on the slow path: the step to be called again at. Does not return from the last."""
        session, options = self._session, self._session.options
        if session.clock != self._clock:
            self._clock, self._steady_from = session.clock, None
            if self._turns is not None:
                self._turns.abandon()
        if session.recorder.rank:
            self._follow()
            return sys.maxsize
        if options.trial_seconds and at_ns - session.armed_ns - self._paused_ns() >= options.trial_seconds * 1e9:
            self.stop(TIME_IS_UP)
        if self._steady_from is None and not self._becomes_steady(step, at_ns):
            return next_candidate(step)
        if self._turns is not None:
            due = self._turns.look(step, at_ns)
            if due is None:
                self.stop(COMPLETE)
            return due
        due = self._steady_from + options.trial_steps
        if step >= due and at_ns - self._steady_ns >= options.trial_steady_seconds * 1e9:
            self.stop(COMPLETE)
        return due if due > step else sys.maxsize  # enough steps, too short a time: the next look will see

    def _paused_ns(self):
        return 0 if self._turns is None else self._turns.paused_ns

    def _becomes_steady(self, step, at_ns):
        session = self._session
        if session.clock in ("inference", "backward") and session.may_train_later():
            return False  # an evaluation before the training
        self._why_steady = why_steady(step, session.recent)
        if self._why_steady is None:
            return False
        self._steady_from, self._steady_ns = step, at_ns
        return True

    def _follow(self):
        if os.path.exists(os.path.join(self._control, layout.CONTROL_TRIAL_OVER)):
            self.stop(STOPPED_BY_RANK_0)

    # -- the end ---------------------------------------------------------------------------------------------------

    def stop(self, state):
        """End the recording, this process and its workers. Does not return."""
        self._state = state
        try:
            self._session.end(marks.END_TRIAL)
        finally:
            self._tell_the_others()
            _kill_workers()
            _flush()
            os._exit(0)

    def note(self):
        """The trial's fact, as the recording ends: also where the script has ended before the trial had what it wanted."""
        session = self._session
        try:
            losses = next((count for each in self._losses if (count := each.write())), 0)
        except Exception as error:  # a device that has failed gives nothing back
            session.broke("losses", error)
            losses = None
        steady = 0 if self._steady_from is None else session.steps - self._steady_from
        session.fact(
            "trial",
            state=self._state,
            steps=session.steps,
            steady_steps=steady,
            why_steady=self._why_steady,
            losses=losses,
        )

    def forget_after_fork(self):
        """A child that trains decides for itself."""
        self._clock = self._steady_from = self._why_steady = None
        self._state = ENDED
        if self._turns is not None:
            self._turns.abandon()
        for losses in self._losses:
            losses.forget_after_fork()

    def _tell_the_others(self):
        if self._session.recorder.rank:
            return
        try:
            with open(os.path.join(self._control, layout.CONTROL_TRIAL_OVER), "w") as file:
                file.write(self._state)
        except OSError:  # a full disk: this process ends all the same, and the supervisor sees that
            pass


def _kill_workers():
    """Children that multiprocessing made: they hold pipes to this process and would wait or complain."""
    multiprocessing = sys.modules.get("multiprocessing")
    for child in multiprocessing.active_children() if multiprocessing is not None else ():
        try:
            child.kill()
        except Exception:
            pass


def _flush():
    """What the script has printed reaches its file, as at a usual exit."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:
            pass
    try:
        import ctypes  # the framework has already imported it

        ctypes.CDLL(None).fflush(None)
    except (OSError, AttributeError, ImportError):
        pass
