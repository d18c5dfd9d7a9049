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
from . import _keras_facts as facts
from . import functions
from .cycle import Cycle
from .hooks import place_all, replaced
from .objects import Objects

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


# -- batches -------------------------------------------------------------------------------------------------------


class Batches:
    """What the next call of a function will be given: (steps, samples)."""

    def __init__(self, session):
        self.session = session
        self.next = None
        self.loaders = Objects(session, facts.batches)

    def taken(self, args):
        """Of the call that has just been made."""
        told, self.next = self.next, None
        return told or (1, functions.rows_of(args))

    def coming(self, iterator, found, in_function):
        """An iterator of Keras' has moved on; samples of what it has fetched, -1 where the function itself will."""
        try:
            return self._of_dataset(iterator) if in_function else self._of_buffer(found[2])
        except Exception as error:
            self.session.broke("batches", error)
            return -1

    def _of_dataset(self, iterator):
        """Where the function itself fetches from a tf.data iterator."""
        steps = asked = iterator.steps_per_execution
        total = iterator._num_batches
        if total:
            steps = max(1, min(asked, total - (iterator._steps_seen - asked)))
        size = iterator._perfkit_size
        if size < 0:
            size = getattr(iterator.data_adapter, "_perfkit_rows", -1)
        last = total and iterator._steps_seen >= total and iterator._perfkit_last
        self.next = steps, (steps - 1) * size + (last or size) if size > 0 else -1
        return -1

    def _of_buffer(self, buffer):
        """Where Keras has fetched them."""
        sizes = [functions.rows_of(data) for data in buffer]
        samples = sum(sizes) if sizes and min(sizes) >= 0 else -1
        self.next = len(buffer), samples
        return samples


def _arm_batches(session, watch):
    watch.when(
        "keras.src.trainers.epoch_iterator", lambda module, *_: _patch_iterator(session, module.EpochIterator, False)
    )
    watch.when(
        "keras.src.backend.tensorflow.trainer",
        lambda module, *_: _patch_iterator(session, module.TFEpochIterator, True),
    )

    watch.when(
        "keras.src.trainers.data_adapters.py_dataset_adapter", lambda module, *_: _patch_dataset(session, module)
    )


def _patch_dataset(session, module):
    """A PyDataset says nothing of its batches until it has made one."""

    def make(original):
        @functools.wraps(original)
        def _standardize_batch(self, batch):
            made = original(self, batch)
            self._perfkit_rows = max(functions.rows_of(made), getattr(self, "_perfkit_rows", -1))
            return made

        return _standardize_batch

    replaced(session, "batches", module.PyDatasetAdapter, "_standardize_batch", make)


def _patch_iterator(session, owner, in_function):
    def begin(original):
        @functools.wraps(original)
        def __iter__(self):
            try:
                self._perfkit_size, self._perfkit_last = facts.sizes(self.data_adapter)
                self._perfkit_loader = session.keras_batches.loaders.id_of(self)
                self._perfkit_begins = True
            except Exception as error:
                session.broke("batches", error)
            return original(self)

        return __iter__

    def following(original):
        batches, append, threads = session.keras_batches, session.rows.append, session.threads
        start, started = marks.LOADER_START_ENTER, marks.LOADER_START_EXIT
        enter, leave = marks.LOADER_ENTER, marks.LOADER_EXIT

        @functools.wraps(original)
        def __next__(self):
            if session.ended or not hasattr(self, "_perfkit_loader"):
                return original(self)
            begins, self._perfkit_begins = self._perfkit_begins, False
            where = self._perfkit_loader << 8 | threads[get_ident()]
            samples = -2
            began = now_ns()
            try:
                found = original(self)
                samples = batches.coming(self, found, in_function)
                return found
            finally:
                at = now_ns()
                if begins:
                    length = self._num_batches or -1
                    append(pack_pair(began, start | where, length, 0, at, started | where, 0, 0))
                if not in_function:
                    append(pack_pair(began, enter | where, 0, 0, at, leave | where, samples, -1))

        return __next__

    if "__iter__" in vars(owner) or not in_function:
        replaced(session, "batches", owner, "__iter__", begin)
    replaced(session, "batches", owner, "__next__", following)


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


# -- steps that a script writes itself, without a tf.function --------------------------------------------------------


def _arm_eager(session, watch):
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


def _arm_facts(session, watch):
    session.describers.append(functools.partial(facts.framework, sys.modules["keras"]))
    watch.when(
        "keras.src.models.model", lambda module, *_: functions.of(session).describe_with(module.Model, facts.trained)
    )


_HOOKS = (
    ("trainers", _arm_trainers),
    ("batches", _arm_batches),
    ("callbacks", _arm_callbacks),
    ("eager", _arm_eager),
    ("facts", _arm_facts),
)
