"""The probe for Keras 3, whatever its backend: the train, test and predict functions, batches, callbacks and eager steps as marks.

No callback is added: one that sees the ends of batches would turn off the asynchronous dispatch that Keras has on thread-safe backends.
The functions that `fit`, `evaluate` and `predict` call are wrapped where Keras makes them; nothing else of a model is touched.
"""

import functools
import sys
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from ..session import now_ns
from . import _keras_batches, _keras_eager, functions
from . import _keras_facts as facts
from ._keras_batches import Batches
from .hooks import place_all, replaced

TRAINERS = {"tensorflow": "TensorFlowTrainer", "torch": "TorchTrainer", "jax": "JAXTrainer"}
ROLES = {"train": marks.ROLE_TRAIN, "test": marks.ROLE_EVALUATE, "predict": marks.ROLE_PREDICT}
CALLBACKS = tuple(
    "on_%s_%s" % (what, edge)
    for what in ("epoch", "train", "test", "predict", "train_batch", "test_batch", "predict_batch")
    for edge in ("begin", "end")
)


def arm(session, watch):
    """Put every hook in place; returns the names of those that are."""
    return ["keras " + name for name in place_all(session, _HOOKS, watch)]


# -- the functions -------------------------------------------------------------------------------------------------


def _arm_trainers(session, watch):
    batches = session.keras_batches = Batches(session)
    for backend, name in TRAINERS.items():
        module = "keras.src.backend.%s.trainer" % backend
        watch.when(module, lambda found, *_, name=name: _patch_trainer(session, getattr(found, name), batches))


def _patch_trainer(session, trainer, batches):
    made = functions.of(session)
    for what, role in ROLES.items():
        _patch_making(session, made, trainer, what, role, batches)
    for what in ("train_on_batch", "test_on_batch"):
        replaced(session, "functions", trainer, what, functools.partial(_one_batch, batches))
    replaced(session, "functions", trainer, "evaluate", functools.partial(_whole_evaluation, session, made))


def _arm_trained(session, watch):
    asked = Compiled()
    session.trainers.append(asked.may_train_later)
    watch.when("keras.src.trainers.trainer", lambda module, *_: asked.patch(session, module.Trainer))


class Compiled:
    """Whether the script compiles a model for training: then what is computed before the first step is but an evaluation."""

    def __init__(self):
        self._loading = False  # a model is read from a file, with what it was once compiled with
        self._optimizer = False

    def may_train_later(self):
        """Whether a model was given an optimizer by the script itself."""
        return self._optimizer

    def patch(self, session, trainer):
        """See each model compiled."""
        replaced(session, "trained", trainer, "compile_from_config", self._make_loading)
        replaced(session, "trained", trainer, "compile", self._make)

    def _make_loading(self, original):
        @functools.wraps(original)
        def compile_from_config(model, *args, **kwargs):
            self._loading = True
            try:
                return original(model, *args, **kwargs)
            finally:
                self._loading = False

        return compile_from_config

    def _make(self, original):
        @functools.wraps(original)
        def compile(model, *args, **kwargs):
            original(model, *args, **kwargs)
            self._optimizer = self._optimizer or (not self._loading and getattr(model, "optimizer", None) is not None)

        return compile


def _patch_making(session, made, trainer, what, role, batches):
    attribute = what + "_function"

    def make(original):
        @functools.wraps(original)
        def make_function(self, *args, **kwargs):
            before = getattr(self, attribute, None)
            result = original(self, *args, **kwargs)
            function = getattr(self, attribute, None)
            if function is not None and function is not before and not session.ended:
                setattr(self, attribute, Marked(function, made, self, role, batches))
            return result

        return make_function

    replaced(session, "functions", trainer, "make_%s_function" % what, make)


class Marked:
    """A train, test or predict function whose calls are marked; for everything else it is the function."""

    def __init__(self, function, made, model, role, batches):
        self._function, self._made, self._model, self._role, self._batches = function, made, model, role, batches

    def __call__(self, *args, **kwargs):
        return self._made.call(self._model, self._role, self._function, args, kwargs, self._batches.taken)

    def __getattr__(self, name):
        if name == "_function":  # of a copy that is still being made
            raise AttributeError(name)
        return getattr(self._function, name)


def _one_batch(batches, original):
    @functools.wraps(original)
    def on_batch(self, x, *args, **kwargs):
        batches.next = 1, functions.rows_of(x)
        return original(self, x, *args, **kwargs)

    return on_batch


def _whole_evaluation(session, made, original):
    """Of a script that trains the whole evaluation is marked, with its callbacks and the start of its data."""

    @functools.wraps(original)
    def evaluate(self, *args, **kwargs):
        within_fit = kwargs.get("_use_cached_eval_dataset")
        if session.ended or not (within_fit or session.clock in ("function", "optimizer")):
            return original(self, *args, **kwargs)
        number = made.objects.id_of(self)
        session.mark(marks.FUNCTION_ENTER, number, marks.ROLE_EVALUATE)
        try:
            return original(self, *args, **kwargs)
        finally:
            session.mark(marks.FUNCTION_EXIT, number, -1)

    return evaluate


# -- callbacks -----------------------------------------------------------------------------------------------------


def _arm_callbacks(session, watch):
    watch.when("keras.src.callbacks.callback_list", lambda module, *_: _patch_callbacks(session, module.CallbackList))


def _patch_callbacks(session, owner):
    for name in CALLBACKS:
        if callable(getattr(owner, name, None)):
            replaced(session, "callbacks", owner, name, functools.partial(_marked_callback, session))


def _marked_callback(session, original):
    append, threads = session.rows.append, session.threads
    enter, leave = marks.CALLBACK_ENTER, marks.CALLBACK_EXIT

    @functools.wraps(original)
    def on_event(self, *args, **kwargs):
        if session.ended:
            return original(self, *args, **kwargs)
        thread = threads[get_ident()]
        began = now_ns()
        try:
            return original(self, *args, **kwargs)
        finally:
            append(pack_pair(began, enter | thread, 0, 0, now_ns(), leave | thread, 0, 0))

    return on_event


# -- everything else -----------------------------------------------------------------------------------------------------


def _arm_facts(session, watch):
    session.describers.append(functools.partial(facts.framework, sys.modules["keras"]))
    watch.when(
        "keras.src.models.model", lambda module, *_: functions.of(session).describe_with(module.Model, facts.trained)
    )


_HOOKS = (
    ("trainers", _arm_trainers),
    ("trained", _arm_trained),
    ("batches", _keras_batches.arm),
    ("callbacks", _arm_callbacks),
    ("eager", _keras_eager.arm),
    ("facts", _arm_facts),
)
