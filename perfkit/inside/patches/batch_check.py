"""Looks at the first batch of a loader worker, because what cannot be sent from there would hang the script.

Runs in the worker; its error comes to the main process as any error of the data set does.
"""

import os
import pickle

MOST_DEPTH = 4
SHARED_MEMORY = "/dev/shm"  # noqa: S108 - the system's, for shared memory
PLAIN = (bool, int, float, str, bytes, type(None))


class CheckedCollate:
    """The loader's collate function; the first batch that it makes in a process is looked at."""

    def __init__(self, collate, in_flight):
        self._collate = collate
        self._in_flight = in_flight  # batches that may lie in shared memory at a time
        self._looked = False

    def __call__(self, samples):
        """The batch of *samples*."""
        batch = self._collate(samples)
        if not self._looked:
            self._looked = True
            self._look(batch)
        return batch

    def _look(self, batch):
        size = _bytes_to_send(batch, MOST_DEPTH)
        free = _free_shared_memory()
        if free is not None and size * (self._in_flight + 1) > free:
            raise MemoryError(
                "%d batches of %d bytes do not fit into the %d bytes left in %s"
                % (self._in_flight + 1, size, free, SHARED_MEMORY)
            )


def _bytes_to_send(thing, depth):
    """Bytes of the tensors in a batch. Raises for what cannot be sent to another process."""
    if isinstance(thing, PLAIN):
        return 0
    if hasattr(thing, "element_size") and hasattr(thing, "requires_grad"):
        return _bytes_of_tensor(thing)
    if depth and type(thing) in (list, tuple):
        return sum(_bytes_to_send(item, depth - 1) for item in thing)
    if depth and type(thing) is dict:
        return sum(_bytes_to_send(item, depth - 1) for item in thing.values())
    return len(pickle.dumps(thing))


def _bytes_of_tensor(tensor):
    if tensor.device.type != "cpu":
        raise TypeError("the batch lies on %s" % tensor.device)
    if tensor.requires_grad and not tensor.is_leaf:
        raise TypeError("the batch holds a tensor that was computed with gradients")
    return 0 if tensor.is_sparse else tensor.numel() * tensor.element_size()


def _free_shared_memory():
    try:
        system = os.statvfs(SHARED_MEMORY)
    except (OSError, AttributeError):
        return None
    return system.f_bavail * system.f_frsize
