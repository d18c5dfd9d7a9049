"""loader-workers: batches are loaded in worker processes while the model computes.

The batches are those of the plain script, in its order: the loader draws the same random numbers in the same places (torch's
own loader does not, with persistent workers). Only what the data set itself draws comes from the workers' generators,
as it does whenever there are workers.

Nothing of it can stop the script. Data that workers cannot give (they lie on a GPU, cannot be pickled, do not fit
into shared memory) and workers that cannot be started or die are noticed, and the loader goes on in the main process where it
was.
"""

import functools
import itertools
import multiprocessing
import os
import re
import sys
import weakref

from .batch_check import CheckedCollate
from .dataset_state import open_file, state_of
from .loaders import LoaderPatch, dataset_name
from .pin_memory import why_not_pinned
from .processors import usable
from .randomness import Randomness
from .uploads import make_uploads_asynchronous

# Without a number: enough to find out, and no more than a small machine has.
MOST_BY_DEFAULT = 4


class LoaderWorkers(LoaderPatch):
    """Loaders are changed as they are iterated; one that turned out unfit is left alone from then on."""

    name = "loader-workers"

    def place_on(self, module):
        """Take over the making, the restarting and the reading of iterators."""
        self._refused = {}  # id of a loader -> reason; with the loaders kept in `_before` by `give`
        self._states = {}  # id of a loader -> state of its data set when its workers started
        self._uploads = False
        self._waiting = weakref.WeakSet()  # iterators of which nothing was read yet
        self.replace(module.DataLoader, "__iter__", self._make_iter)
        self.replace(module._BaseDataLoaderIter, "_reset", self._make_reset)
        self.replace(module._MultiProcessingDataLoaderIter, "_try_put_index", self._make_try_put_index)
        self.replace(module._MultiProcessingDataLoaderIter, "_next_data", self._make_next_data)
        self.on_undo(self._prime_all)  # undone first, while priming is still ours

    # -- which loaders ---------------------------------------------------------------------------------------------

    def _takes(self, loader):
        """Whether this loader gets workers now; says why not."""
        if self.given(loader) is not None:
            return id(loader) not in self._refused
        if self.prepares_data():
            return False
        reason = self._why_not(loader)
        if reason:
            self.not_applicable(reason)
        return not reason

    def _why_not(self, loader):
        workers, persistent = self._wanted(loader)
        if not workers:
            return "the loader has no workers to keep"
        if loader.num_workers == workers and loader.persistent_workers == persistent:
            return "the loader has %d %sworkers already" % (workers, "persistent " if persistent else "")
        if self.is_iterable(loader) and not _divides_its_samples(loader.dataset):
            return "%s is an IterableDataset that does not divide its samples among workers" % dataset_name(loader)
        if not self.is_iterable(loader) and _length(loader) < 2:
            return "the loader gives one batch only"
        if not loader.num_workers and open_file(loader.dataset):
            return "%s holds an open %s, whose position workers would share" % (
                dataset_name(loader),
                open_file(loader.dataset),
            )
        if multiprocessing.current_process().daemon:
            return "the script runs in a process that may have no children"
        if self._start_method(loader) != "fork" and not _guards_its_start():
            return "workers would import the script anew, which trains without asking for __name__ == '__main__'"
        if not self.has_a_model():
            return "the loader was iterated before there was a model"
        return None

    def _wanted(self, loader):
        """Number of workers, and whether they stay between epochs."""
        number = self.parameters.get("num_workers")
        if number is None:
            keeps = loader.num_workers if self.parameters else 0
            number = keeps if self.parameters.get("persistent_workers") else keeps or min(usable(), MOST_BY_DEFAULT)
        return int(number), bool(self.parameters.get("persistent_workers", True))

    def _start_method(self, loader):
        context = loader.multiprocessing_context
        if context is not None:
            return context.get_start_method()
        chosen = multiprocessing.get_start_method(allow_none=True)
        if chosen is None and "fork" in multiprocessing.get_all_start_methods() and sys.platform != "darwin":
            return "fork"  # also where a later Python has another default: nothing need be pickled then
        return chosen or multiprocessing.get_all_start_methods()[0]

    # -- making iterators ------------------------------------------------------------------------------------------

    def _make_iter(self, original):
        @functools.wraps(original)
        def __iter__(loader):
            try:
                takes = self.active and self._takes(loader)
            except Exception as error:
                takes = False
                self.failed(error)
            return self._iterate(loader, original) if takes else original(loader)

        return __iter__

    def _iterate(self, loader, original):
        """The loader's iterator with workers, or its own if they cannot be had."""
        before = None
        try:
            before = Randomness(self.torch, loader)
            self._prepare(loader)
            iterator = self._start(loader, original)
            self._watch_ourselves(iterator)
            iterator._perfkit_rescue = _Rescue(self, loader, before)
            return iterator
        except Exception as error:
            self._refuse(loader, "workers could not be started: %s" % _last_line(error))
        if before is not None:
            before.restore()
        return original(loader)  # raises by itself what is the script's own fault

    def _watch_ourselves(self, iterator):
        """A worker's death would be raised wherever the script happens to be; off torch's list, it shows as we wait for a batch."""
        if iterator._worker_pids_set:
            self.module._utils.signal_handling._remove_worker_pids(id(iterator))
            iterator._worker_pids_set = False

    def _prepare(self, loader):
        workers, persistent = self._wanted(loader)
        if self.given(loader) is None:
            # Named at once: workers of the default context would fix it, and the script may still set it.
            context = loader.multiprocessing_context or multiprocessing.get_context(self._start_method(loader))
            self.give(
                loader,
                num_workers=workers,
                persistent_workers=persistent,
                prefetch_factor=int(self.parameters.get("prefetch_factor") or loader.prefetch_factor or 2),
                _DataLoader__multiprocessing_context=context,
                _iterator=None,  # one that the script's own workers have
            )
            self._pin(loader)
        self._renew_if_changed(loader)

    def _renew_if_changed(self, loader):
        """Workers hold the data set as it was when they started: a script that has changed it since gets new ones."""
        state = state_of(loader.dataset)
        if loader._iterator is not None and self._states.get(id(loader)) != state:
            vars(loader)["_iterator"] = None
        self._states[id(loader)] = state

    def _start(self, loader, original):
        """Make or restart the iterator, with a collate function that looks at each worker's first batch."""
        values = vars(loader)
        collate, persistent = loader.collate_fn, loader.persistent_workers
        if loader._iterator is not None and _in_use(values):
            values["persistent_workers"] = False  # a second iteration beside the first: workers of its own
        values["collate_fn"] = CheckedCollate(collate, loader.num_workers * loader.prefetch_factor)
        try:
            return original(loader)
        finally:
            values["collate_fn"], values["persistent_workers"] = collate, persistent

    def _pin(self, loader):
        if self.parameters.get("pin_memory") and not loader.pin_memory and why_not_pinned(self.torch) is None:
            self.give(loader, pin_memory=True)
            if self.parameters.get("non_blocking", True) and not self._uploads:
                self._uploads = True
                make_uploads_asynchronous(self)

    def _refuse(self, loader, reason):
        """The loader goes on without; None for one that is gone."""
        self.not_applicable(reason)
        if loader is not None:
            self.give(loader)  # known from here on, so that it is not tried again
            vars(loader).update(self.given(loader))
            self._refused[id(loader)] = reason

    def _forget(self, key):
        known, refused, states = self._before, self._refused, self._states

        def forget(_):
            for table in (known, refused, states):
                table.pop(key, None)

        return forget

    # -- restarting iterators --------------------------------------------------------------------------------------

    def _make_reset(self, original):
        """Random numbers are drawn where the plain script draws them: torch starts a multi-process iterator's sampler twice
        and at once, and draws no seed for workers that stay.
        """

        @functools.wraps(original)
        def _reset(iterator, loader=None, first_iter=False):
            before = self.given(loader) if self.active and loader is not None else None
            if not before or id(loader) in self._refused or self.is_iterable(loader):
                return original(iterator, loader, first_iter)
            iterator._perfkit_done = False
            if not before["num_workers"]:
                self._waiting.add(iterator)
            if first_iter:
                return None if not before["num_workers"] else original(iterator, loader, first_iter)
            original(iterator, loader, first_iter)
            if not before["persistent_workers"]:
                _draw_seed(self.torch, iterator, loader)
                if before["num_workers"]:
                    iterator._sampler_iter = iter(iterator._index_sampler)
            return None

        return _reset

    def _make_try_put_index(self, original):
        """Nothing is asked of the sampler before the first batch is: until then a loader without workers asks nothing."""

        @functools.wraps(original)
        def _try_put_index(iterator):
            if iterator not in self._waiting:
                original(iterator)

        return _try_put_index

    def _prime(self, iterator):
        """Send the workers their first batches."""
        self._waiting.discard(iterator)
        for _ in range(iterator._prefetch_factor * iterator._num_workers):
            iterator._try_put_index()

    def _prime_all(self):
        for iterator in list(self._waiting):
            self._prime(iterator)

    # -- reading iterators -----------------------------------------------------------------------------------------

    def _make_next_data(self, original):
        @functools.wraps(original)
        def _next_data(iterator):
            rescue = getattr(iterator, "_perfkit_rescue", None)
            if rescue is None:
                return original(iterator)
            if rescue.single is not None:
                return rescue.single._next_data()
            rescue.begin(iterator)
            try:
                data = original(iterator)
            except StopIteration:
                iterator._perfkit_done = True
                raise
            except Exception as error:
                if not rescue.possible(iterator):
                    raise
                return rescue.go_on_alone(iterator, error)._next_data()
            if not rescue.proven:
                rescue.prove(iterator)
            return data

        return _next_data


class _Rescue:
    """One iteration by workers: it is proven by its first batch, and goes on in the main process when they fail.

    Its iterator holds it, and a loader may hold the iterator: so it holds the loader weakly, and a copy of its settings.
    """

    def __init__(self, patch, loader, before):
        self._patch, self._loader, self._before = patch, weakref.ref(loader), before
        self._was = patch.given(loader)
        self._plain = _without_workers(loader)
        self._at_first_batch = None
        self.single = None
        self.proven = False

    def begin(self, iterator):
        """A batch is asked for; at the first the workers are told theirs."""
        if self._at_first_batch is None:
            self._at_first_batch = Randomness(self._patch.torch, self._plain)
            if iterator in self._patch._waiting:
                self._patch._prime(iterator)

    def prove(self, iterator):
        """A batch came from the workers."""
        self.proven = True
        self._patch.applied(
            num_workers=iterator._num_workers,
            was=self._was["num_workers"],
            persistent_workers=iterator._persistent_workers,
            prefetch_factor=iterator._prefetch_factor,
            pin_memory=bool(iterator._pin_memory),
            workers=[worker.pid for worker in iterator._workers],
            dataset=dataset_name(self._plain),
            same_order=not self._patch.is_iterable(self._plain),
        )

    def possible(self, iterator):
        """Whether the batches given so far could be passed over: an IterableDataset would have to give them again."""
        return not iterator._num_yielded or not self._patch.is_iterable(self._plain)

    def go_on_alone(self, iterator, error):
        """An iterator of the main process from the batch on that the workers did not give.

        An error that is the script's own comes again from there, as it would have come without workers.
        """
        patch, loader = self._patch, self._loader()
        reason = "workers failed: %s" % _last_line(error)
        iterator._shutdown_workers()
        patch._refuse(loader, reason)
        now = Randomness(patch.torch, self._plain)
        self._before.restore()
        self.single = patch.module._SingleProcessDataLoaderIter(self._plain)
        self._at_first_batch.restore()
        _pass_over(self.single, iterator._num_yielded)
        now.restore()
        if self.proven:
            patch.failed(reason)  # it has helped up to here, and no more: that is no measure of it
        return self.single


def _without_workers(loader):
    """A loader of the same kind and settings that loads in the main process."""
    plain = object.__new__(type(loader))
    vars(plain).update(vars(loader), num_workers=0, prefetch_factor=None, persistent_workers=False, _iterator=None)
    return plain


def _pass_over(single, count):
    """The next index is that after *count* batches. It is asked for here, while the random numbers are those of back then."""
    indices = single._sampler_iter
    for _ in itertools.islice(indices, count):
        pass
    single._sampler_iter = itertools.chain(list(itertools.islice(indices, 1)), indices)


def _draw_seed(torch, iterator, loader):
    iterator._base_seed = torch.empty((), dtype=torch.int64).random_(generator=loader.generator).item()


def _in_use(values):
    """Whether somebody still reads a loader's iterator: it has more to give and others hold it than the loader."""
    if getattr(values["_iterator"], "_perfkit_done", False):
        return False
    alone = {"_iterator": object()}  # held by a dictionary as well, and by nobody else
    return sys.getrefcount(values["_iterator"]) > sys.getrefcount(alone["_iterator"])


def _length(loader):
    try:
        return len(loader)
    except Exception:  # a sampler without a length, or with a broken one: the iteration will tell
        return sys.maxsize


def _divides_its_samples(dataset):
    """Whether the data set's own code asks which worker it is in."""
    values = (value for cls in type(dataset).__mro__ for value in vars(cls).values())
    codes = (getattr(value, "__code__", None) for value in values)
    return any(code is not None and "get_worker_info" in code.co_names for code in codes)


def _guards_its_start():
    """Whether the main script asks for its ``__name__``, as one must whose processes are spawned."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if not path or not os.path.exists(path):
        return False
    with open(path, encoding="utf-8", errors="replace") as file:
        return re.search(r"__name__\s*==\s*['\"]__main__['\"]", file.read()) is not None


def _last_line(error):
    """What an error says at its end: of a worker's, the original error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[-1] if lines else ""
    return text if len(lines) > 1 else "%s: %s" % (type(error).__name__, text)


PATCH = LoaderWorkers
