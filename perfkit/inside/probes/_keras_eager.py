"""Steps that a script writes itself with Keras' models and optimizers, without a tf.function: calls of models and updates as marks."""

import functools
import sys
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from ..session import now_ns
from . import _keras_facts as facts
from . import functions
from .cycle import Cycle
from .hooks import replaced
from .objects import Objects


def arm(session, watch):
    """Mark eager calls of every model and optimizer."""
    watch.when("keras.src.models.model", lambda module, *_: _patch_model(session, module.Model))
    watch.when(
        "keras.src.optimizers.base_optimizer", lambda module, *_: _patch_optimizer(session, module.BaseOptimizer)
    )


def _is_eager():
    """Whether calls compute at once on TensorFlow, and are not traced into a graph."""
    context = sys.modules.get("tensorflow.python.eager.context")
    return context is not None and context.executing_eagerly()


def _patch_model(session, owner):
    made = functions.of(session)
    models = Objects(session, facts.model)
    inside = set()

    def make(original):
        append, threads = session.rows.append, session.threads
        enter, leave = marks.FORWARD_ENTER, marks.FORWARD_EXIT

        @functools.wraps(original)
        def __call__(self, *args, **kwargs):
            thread = threads[get_ident()]
            if session.ended or thread in inside or not _is_eager():
                return original(self, *args, **kwargs)
            inside.add(thread)
            grad = _records()
            training = kwargs.get("training", False) is True
            began = now_ns()
            try:
                return original(self, *args, **kwargs)
            finally:
                at = now_ns()
                inside.discard(thread)
                try:
                    where = models.id_of(self) << 8 | thread
                    samples = functions.rows_of(args)
                    append(pack_pair(began, enter | where, grad | training << 1, 0, at, leave | where, samples, -1))
                    session.worked = True
                    if not grad and thread not in made.active and session.clock in (None, "inference"):
                        session.step_ended("inference", at)
                except Exception as error:
                    session.broke("forward", error)

        return __call__

    replaced(session, "forward", owner, "__call__", make)


def _records():
    record = sys.modules.get("tensorflow.python.eager.record")
    return bool(record.could_possibly_record()) if record is not None else False


def _patch_optimizer(session, owner):
    made = functions.of(session)
    steps = Optimizers(session)

    def make(original):
        append, threads = session.rows.append, session.threads
        enter, leave = marks.OPTIMIZER_ENTER, marks.OPTIMIZER_EXIT

        @functools.wraps(original)
        def apply(self, *args, **kwargs):
            if session.ended or not _is_eager():
                tracing = getattr(session, "tracing", None)
                if tracing is not None:
                    tracing.gradient_taken()
                return original(self, *args, **kwargs)
            thread = threads[get_ident()]
            own, session.own_ns = session.own_ns, 0
            began = now_ns()
            result = original(self, *args, **kwargs)
            at = now_ns()
            try:
                number = steps.objects.id_of(self)
                where = number << 8 | thread
                append(pack_pair(began, enter | where, 0, 0, at, leave | where, 0, own))
                if thread not in made.active:
                    session.worked = True
                    steps.stepped(number, at)
            except Exception as error:
                session.broke("optimizer", error)
            return result

        return apply

    replaced(session, "optimizer", owner, "apply", make)


class Optimizers(Cycle):
    """Keras' optimizers, where a script steps them itself."""

    def __init__(self, session):
        super().__init__(session, "optimizer")
        self.objects = Objects(session, facts.optimizer)
