"""sample-cache: samples that are always the same are prepared once and kept in memory, not anew in each epoch.

Batches, their order and every random number are those of the plain script. A data set is only kept where nothing speaks against
it: what it gives draws no random numbers, is the same when it is asked for twice, and fits.
"""

import copy
import functools
import time
import weakref

from .dataset_state import generator, state_of
from .loaders import LoaderPatch, dataset_name
from .memory_left import memory_left
from .randomness import Randomness

# Samples that are asked for twice, from all over the data set.
PROBED = 16
# Of the memory that is left now, what one data set may take.
SHARE = 0.25
# Preparing all of them before the first batch may take so long.
MOST_SECONDS = 60.0
# A sampler that reads less of the data set in an epoch leaves most of the cache unread.
LEAST_READ = 0.5
# What Python and torch need for each object beside its data, in bytes; measured on CPython 3.11 with torch 2.13.
PER_TENSOR, PER_OBJECT = 640, 64
PLAIN = (bool, int, float, complex, str, bytes, type(None))


class SampleCache(LoaderPatch):
    """Loaders read the kept samples in place of their data set; ``loader.dataset`` is what the script gave."""

    name = "sample-cache"

    def place_on(self, module):
        """Take over the making of iterators."""
        self._kept = {}  # id of a data set -> (reference to it, its state when it was read, _Samples or None)
        self.replace(module.DataLoader, "__iter__", self._make_iter)
        self.on_undo(self._kept.clear)

    def _make_iter(self, original):
        @functools.wraps(original)
        def __iter__(loader):
            try:
                samples = self._samples_for(loader) if self.active else None
            except Exception as error:
                samples = None
                self.failed(error)
            if samples is None:
                return original(loader)
            values = vars(loader)  # DataLoader lets nobody set its data set
            dataset, values["dataset"] = values["dataset"], _Kept(self, samples, values["dataset"])
            try:
                return original(loader)
            finally:
                values["dataset"] = dataset

        return __iter__

    # -- which loaders ---------------------------------------------------------------------------------------------

    def _samples_for(self, loader):
        """The kept samples of its data set; None where there is a reason not to keep them, which is said."""
        if self.prepares_data():
            return None
        reason = self._why_not_from(loader)
        if reason:
            self.not_applicable(reason)
            return None
        dataset = loader.dataset
        known = self._kept.get(id(dataset))
        if known is None:
            samples = self._read(loader)
        elif known[2] is None or known[1] == state_of(dataset):
            return known[2]
        else:
            self.not_applicable("%s is changed between epochs" % dataset_name(loader))
            samples = None
        self._kept[id(dataset)] = (self._reference(dataset), state_of(dataset), samples)
        return samples

    def _why_not_from(self, loader):
        if loader.num_workers:
            return "the loader has workers, each of which would keep samples of its own"
        if self.is_iterable(loader):
            return "%s can only be iterated" % dataset_name(loader)
        if loader.batch_sampler is None or loader.collate_fn is not self.module._utils.collate.default_collate:
            return "batches are made by the script's own function, which may change the samples"
        if type(loader.dataset).__name__ in ("list", "tuple", "TensorDataset"):
            return "the samples lie in memory already"
        if not self.has_a_model():
            return "the loader was iterated before there was a model"
        return None

    def _reference(self, dataset):
        try:
            return weakref.ref(dataset, functools.partial(_forget, self._kept, id(dataset)))
        except TypeError:  # of a class without weak references: it stays for as long as its samples do
            return dataset

    # -- reading a data set ----------------------------------------------------------------------------------------

    def _read(self, loader):
        before = Randomness(self.torch, loader)
        began = time.perf_counter()
        try:
            samples, size = self._read_or_raise(loader, before)
        except _UnfitError as reason:
            self.not_applicable(str(reason))
            return None
        except Exception as error:  # a data set that cannot be read to its end: the script may never do that
            self.not_applicable("%s cannot be read: %s: %s" % (dataset_name(loader), type(error).__name__, error))
            return None
        finally:
            before.restore()
        seconds = round(time.perf_counter() - began, 3)
        detail = {"dataset": dataset_name(loader), "samples": len(samples), "bytes": size, "fill_s": seconds}
        return _Samples(samples, detail)

    def _read_or_raise(self, loader, before):
        """All samples by index, and their size in bytes. Raises _UnfitError with the reason where they are not to be kept."""
        dataset, name = loader.dataset, dataset_name(loader)
        count = len(dataset)
        if len(loader.sampler) < LEAST_READ * count:
            raise _UnfitError("an epoch reads only %d of the %d samples of %s" % (len(loader.sampler), count, name))
        if generator(dataset):
            raise _UnfitError("%s draws from a %s of its own" % (name, generator(dataset)))
        indices = sorted({place * (count - 1) // (PROBED - 1) for place in range(PROBED)}) if count else []
        dataset[indices[0]]  # what opens its files at the first sample has done so
        state = state_of(dataset)
        first, copies, spent, size = [], [], 0.0, 0
        for index in indices:
            began = time.perf_counter()
            first.append(dataset[index])
            spent += time.perf_counter() - began
            size += _bytes(first[-1])  # first of all, for it says what may be kept
            copies.append(copy.deepcopy(first[-1]))
        each_s = spent / len(indices)
        size = size * count // len(indices)
        again = [dataset[index] for index in indices]
        if before.moved():
            raise _UnfitError("%s draws random numbers for its samples" % name)
        if not all(_same(*pair) for pair in zip(first, copies)):
            raise _UnfitError("%s gives the same memory again for another sample" % name)
        if not all(_same(*pair) for pair in zip(copies, again)):
            raise _UnfitError("%s gives another sample when it is asked again" % name)
        room = memory_left() * SHARE
        if size > room:
            raise _UnfitError("its samples take %d MiB, of %d MiB that may be used" % (size >> 20, int(room) >> 20))
        if each_s * count > MOST_SECONDS:
            raise _UnfitError("preparing its %d samples would take %.0f s" % (count, each_s * count))
        samples, ends = {}, time.perf_counter() + 2 * MOST_SECONDS
        for index in range(count):
            samples[index] = dataset[index]
            if time.perf_counter() > ends:  # those that were asked for twice were quicker than the rest
                raise _UnfitError("preparing its %d samples takes more than %.0f s" % (count, 2 * MOST_SECONDS))
        if before.moved():
            raise _UnfitError("%s draws random numbers for its samples" % name)
        if state_of(dataset) != state:
            raise _UnfitError("%s changes as it is read" % name)
        return samples, size


class _UnfitError(Exception):
    """Why a data set is not kept."""


class _Samples:
    """What was read of one data set."""

    def __init__(self, by_index, detail):
        self.by_index, self.detail = by_index, detail


class _Kept:
    """A data set that gives kept samples, for one iteration; what it has no sample for is asked of the original.

    The original is held here alone: a data set that the script lets go of goes, and its samples with it.
    """

    def __init__(self, patch, samples, dataset):
        self._patch, self._detail, self._dataset = patch, samples.detail, dataset
        self._by_index = samples.by_index
        self._told = False

    def __len__(self):
        return len(self._dataset)

    def __getitem__(self, index):
        return self.__getitems__([index])[0]

    def __getitems__(self, indices):
        """The samples of a batch."""
        samples = self._by_index
        try:
            found = [samples[index] for index in indices]
        except (
            KeyError,
            TypeError,
        ):  # negative, a tensor, a pair: whatever the sampler and the data set have agreed on
            return self._asked(indices)
        if not self._told:
            self._told = True
            self._patch.applied(**self._detail)
        return found

    def _asked(self, indices):
        many = getattr(self._dataset, "__getitems__", None)
        return many(indices) if many else [self._dataset[index] for index in indices]


def _forget(kept, key, _):
    kept.pop(key, None)


def _bytes(sample):
    """What keeping it takes. Raises _UnfitError for what cannot be kept."""
    if isinstance(sample, PLAIN):
        return PER_OBJECT + len(sample) if isinstance(sample, (str, bytes)) else PER_OBJECT
    if hasattr(sample, "element_size") and hasattr(sample, "requires_grad"):
        if sample.device.type != "cpu" or sample.requires_grad:
            raise _UnfitError("samples are made on %s, or with gradients" % sample.device)
        return PER_TENSOR + sample.numel() * sample.element_size()
    if hasattr(sample, "nbytes"):
        return PER_OBJECT + int(sample.nbytes)
    if isinstance(sample, dict):
        return PER_OBJECT + sum(map(_bytes, sample.values()))
    if isinstance(sample, (list, tuple)):
        return PER_OBJECT + sum(map(_bytes, sample))
    raise _UnfitError("samples hold a %s" % type(sample).__name__)


def _same(one, other):
    """Whether two samples are equal to the last bit; a NaN equals itself."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(_same(*pair) for pair in zip(one, other))
    if hasattr(one, "nbytes") and hasattr(one, "tobytes"):
        return one.shape == other.shape and one.dtype == other.dtype and one.tobytes() == other.tobytes()
    if hasattr(one, "element_size"):
        same_kind = one.dtype == other.dtype and one.shape == other.shape
        return same_kind and bool(((one == other) | ((one != one) & (other != other))).all())
    return bool(one == other or (one != one and other != other))


PATCH = SampleCache
