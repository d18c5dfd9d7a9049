"""batch-size: larger batches from every DataLoader that makes its batches by a number.

The learning rate stays what the script says, so that fewer, better informed updates are made of each epoch: the result of
training may differ, which the recording says. Batches are only made larger, never smaller.
"""

import functools

from .larger_batch import NOTE, wanted
from .loaders import LoaderPatch, dataset_name


class BatchSize(LoaderPatch):
    """Changed as a loader is made, so that ``len(loader)`` is true from the first time it is asked."""

    name = "batch-size"
    idle = "no DataLoader was made"

    def place_on(self, module):
        """Take over ``DataLoader.__init__``."""
        self.replace(module.DataLoader, "__init__", self._make)

    def _make(self, original):
        @functools.wraps(original)
        def __init__(loader, *args, **kwargs):
            original(loader, *args, **kwargs)
            if self.active:
                try:
                    self._enlarge(loader)
                except Exception as error:
                    self.failed(error)

        return __init__

    def _enlarge(self, loader):
        reason = self._why_not(loader)
        if reason:
            self.not_applicable(reason)
            return
        batches, was = loader.batch_sampler, loader.batch_sampler.batch_size
        size = wanted(self.parameters, was)
        if loader.batch_size is not None:  # None beside a batch sampler of the script's making
            self.give(loader, batch_size=size)
        batches.batch_size = size
        self._put_back_with(loader, batches, was)
        self.applied(batch_size=size, was=was, note=NOTE)

    def _why_not(self, loader):
        batches = loader.batch_sampler
        if batches is None:
            return "its data set %s gives whole batches (batch_size=None)" % dataset_name(loader)
        if type(batches) is not self._plain_batches():
            return "it makes its batches by a sampler of its own, %s" % type(batches).__name__
        size = wanted(self.parameters, batches.batch_size)
        if size <= batches.batch_size:
            return "its batches hold %d already" % batches.batch_size
        if not self.is_iterable(loader):
            try:
                samples = len(batches.sampler)
            except TypeError:
                return None
            if samples < size:
                return "%s has %d samples only" % (dataset_name(loader), samples)
        return None

    def _plain_batches(self):
        return self.torch.utils.data.BatchSampler

    def _put_back_with(self, loader, batches, was):
        import weakref

        reference = weakref.ref(batches)

        def put_back():
            alive = reference()
            if alive is not None:
                alive.batch_size = was

        self.on_undo(put_back)


PATCH = BatchSize
