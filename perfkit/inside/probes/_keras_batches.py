"""Keras' batches, as its own iterators give them: what lies in them, and how long they are waited for."""

import functools
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from ..session import now_ns
from . import _keras_facts as facts
from . import functions
from .hooks import replaced
from .objects import Objects


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

    def fetched(self, samples):
        """One more batch for the call that is going on: the function asks for each itself."""
        steps, before = self.next or (0, 0)
        self.next = steps + 1, before + samples if before >= 0 and samples >= 0 else -1

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


def arm(session, watch):
    """Mark what the iterators of every backend give."""
    watch.when(
        "keras.src.trainers.epoch_iterator", lambda module, *_: _patch_iterator(session, module.EpochIterator, False)
    )
    watch.when(
        "keras.src.backend.tensorflow.trainer",
        lambda module, *_: _patch_iterator(session, module.TFEpochIterator, True),
    )
    watch.when("keras.src.backend.jax.trainer", lambda module, *_: _patch_fetching(session, module.JAXEpochIterator))
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
                    _mark_start(session, self, began, at)
                if not in_function:
                    append(pack_pair(began, enter | where, 0, 0, at, leave | where, samples, -1))

        return __next__

    if "__iter__" in vars(owner) or not in_function:
        replaced(session, "batches", owner, "__iter__", begin)
    replaced(session, "batches", owner, "__next__", following)


def _patch_fetching(session, owner):
    """On JAX the function is given the iterator, and asks it for each batch in Python."""

    def make(original):
        @functools.wraps(original)
        def __next__(self):
            began = now_ns()
            found = original(self)
            if session.ended or not hasattr(self, "_perfkit_loader"):
                return found
            session.keras_batches.next = None  # of batches that were fetched to see their shapes
            first, last, iterator = found
            if self._perfkit_begins:
                self._perfkit_begins, self._perfkit_fetched = False, None
                _mark_start(session, self, began, now_ns())
            if self._perfkit_fetched is None or self._perfkit_fetched.iterator is not iterator:
                self._perfkit_fetched = Fetched(session, iterator, self._perfkit_loader)
            return first, last, self._perfkit_fetched

        return __next__

    replaced(session, "batches", owner, "__next__", make)


def _mark_start(session, epoch, began, at):
    where = epoch._perfkit_loader << 8 | session.threads[get_ident()]
    enter, leave = marks.LOADER_START_ENTER | where, marks.LOADER_START_EXIT | where
    session.rows.append(pack_pair(began, enter, epoch._num_batches or -1, 0, at, leave, 0, 0))
    if session.losses is not None:
        session.losses.epoch_begins()


class Fetched:
    """An iterator over batches whose waits are marked."""

    def __init__(self, session, iterator, loader):
        self._session, self.iterator, self._loader = session, iterator, loader

    def __iter__(self):
        return self

    def __next__(self):
        session = self._session
        where = self._loader << 8 | session.threads[get_ident()]
        samples = -2
        began = now_ns()
        try:
            batch = next(self.iterator)
            samples = functions.rows_of(batch)
            session.keras_batches.fetched(samples)
            return batch
        finally:
            if not session.ended:
                enter, leave = marks.LOADER_ENTER | where, marks.LOADER_EXIT | where
                session.rows.append(pack_pair(began, enter, 0, 0, now_ns(), leave, samples, -1))
