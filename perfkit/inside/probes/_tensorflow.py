"""The probe for TensorFlow: functions that take gradients, tapes and tracing as marks, however the training loop is written.

The Python layer of TensorFlow alone is touched, and no graph: what a tf.function has traced is what it would have traced.
"""

import functools
import sys
import weakref
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from .. import pauses
from ..session import now_ns
from . import _tensorflow_facts as facts
from . import functions
from .hooks import place_all, replaced
from .spans import arm_spans

_FUNCTION = "tensorflow.python.eager.polymorphic_function.polymorphic_function"
_BACKPROP = "tensorflow.python.eager.backprop"


def arm(session, watch):
    """Put every hook in place; returns the names of those that are."""
    return place_all(session, _HOOKS, sys.modules["tensorflow"], watch)


# -- functions -----------------------------------------------------------------------------------------------------


def _arm_functions(session, tensorflow, watch):
    session.tracing = Tracing(session)
    watch.when(_FUNCTION, lambda module, *_: session.tracing.patch_function(module.Function))
    watch.when(_BACKPROP, lambda module, *_: session.tracing.patch_tape(module.GradientTape))


class Tracing:
    """Which tf.functions train: those in whose graph a gradient was taken while they were traced."""

    def __init__(self, session):
        self.session = session
        self.functions = functions.of(session)
        self.eager = sys.modules["tensorflow.python.eager.context"].executing_eagerly
        self.recording = sys.modules["tensorflow.python.eager.record"].could_possibly_record
        self._being_traced = {}  # thread -> the outermost function that is being called
        self._training = weakref.WeakSet()

    def gradient_taken(self):
        """A gradient was built into the graph of the function that this thread is in."""
        function = self._being_traced.get(get_ident())
        if function is not None:
            self._training.add(function)

    def patch_function(self, owner):
        """Mark calls of tf.functions."""
        tracing, session, active, eager = self, self.session, self.functions.active, self.eager

        def make(original):
            @functools.wraps(original)
            def __call__(self, *args, **kwargs):
                if session.ended or not eager():
                    return original(self, *args, **kwargs)
                if session.threads[get_ident()] in active:  # Keras' own, which marks the whole
                    return tracing.traced(original, self, args, kwargs)
                return tracing.outermost(original, self, args, kwargs)

            return __call__

        replaced(session, "functions", owner, "__call__", make)

    def traced(self, original, function, args, kwargs):
        """Call the function; if it traces, that is compiling."""
        before = function.experimental_get_tracing_count()
        began = now_ns()
        try:
            return original(function, *args, **kwargs)
        finally:
            if function.experimental_get_tracing_count() != before:
                self._note_tracing(function, began)

    def _note_tracing(self, function, began):
        session = self.session
        try:
            thread = session.threads[get_ident()]
            session.rows.append(
                pack_pair(began, marks.COMPILE_ENTER | thread, 0, 0, now_ns(), marks.COMPILE_EXIT | thread, 0, 0)
            )
            session.fact("traced", name=facts.function_name(function), count=function.experimental_get_tracing_count())
        except Exception as error:
            session.broke("functions", error)

    def outermost(self, original, function, args, kwargs):
        """A call from the script itself: a whole step if gradients are taken inside, else a model's work."""
        ident, session = get_ident(), self.session
        own = session.take_own_ns() if function in self._training else 0
        outer, self._being_traced[ident] = self._being_traced.get(ident), function
        recording = self.recording()
        told, result = functions.NO_STEP, None
        began = now_ns()
        try:
            result = self.traced(original, function, args, kwargs)
            told = 1, functions.rows_of(list(args))
            return result
        finally:
            span = began, now_ns()
            self._being_traced[ident] = outer
            if function in self._training:
                if session.losses is not None:
                    self.functions.note_loss(result, told[1])
                self.functions.mark(function, marks.ROLE_TRAIN, span, told, own)
            else:
                self._mark_call(function, recording, span)

    def _mark_call(self, function, recording, span):
        session = self.session
        try:
            where = self.functions.objects.id_of(function) << 8 | session.threads[get_ident()]
            flags = marks.FLAG_GRAD | marks.FLAG_TRAINING if recording else 0
            session.rows.append(
                pack_pair(span[0], marks.FORWARD_ENTER | where, flags, 0, span[1], marks.FORWARD_EXIT | where, -1, -1)
            )
        except Exception as error:
            session.broke("functions", error)

    # -- tapes -----------------------------------------------------------------------------------------------------

    def patch_tape(self, owner):
        """Mark gradients: where they are computed at once they are a backward pass."""
        tracing, session, eager = self, self.session, self.eager
        append, threads = session.rows.append, session.threads
        enter, leave = marks.BACKWARD_ENTER, marks.BACKWARD_EXIT

        def make(original):
            @functools.wraps(original)
            def gradient(self, *args, **kwargs):
                if session.ended or not eager():
                    tracing.gradient_taken()
                    return original(self, *args, **kwargs)
                session.worked = True
                thread = threads[get_ident()]
                if session.losses is not None and args and thread not in tracing.functions.active:
                    tracing.functions.note_loss(args[0])
                began = now_ns()
                try:
                    return original(self, *args, **kwargs)
                finally:
                    append(pack_pair(began, enter | thread, 0, 0, now_ns(), leave | thread, 0, 0))

            return gradient

        replaced(session, "tapes", owner, "gradient", make)


# -- everything else -----------------------------------------------------------------------------------------------


def _arm_spans(session, tensorflow, watch):
    eager = sys.modules["tensorflow.python.eager.context"].executing_eagerly
    arm_spans(session, watch, replaced, lambda: not eager())


def _arm_facts(session, tensorflow, watch):
    session.describers.append(functools.partial(facts.framework, tensorflow))


def _arm_window(session, tensorflow, watch):
    if session.window is None:  # another framework's: the first that was imported has it
        from ..tensorflow_profiler import TensorFlowProfiler
        from ..window import TraceWindow

        session.window = TraceWindow(session, TensorFlowProfiler(session, watch))


def _arm_pauses(session, tensorflow, watch):
    pauses.arm(session)


_HOOKS = (
    ("functions", _arm_functions),
    ("spans", _arm_spans),
    ("facts", _arm_facts),
    ("window", _arm_window),
    ("pauses", _arm_pauses),
)
