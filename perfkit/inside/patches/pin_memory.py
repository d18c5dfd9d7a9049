"""pin-memory: batches are put into pinned memory, and copied to the GPU without waiting for the copy's end."""

import functools
import sys

from .loaders import LoaderPatch
from .uploads import make_uploads_asynchronous


class PinMemory(LoaderPatch):
    """Loaders are changed as they are iterated; uploads from the first pinned batch on."""

    name = "pin-memory"

    def place_on(self, module):
        """Take over ``DataLoader.__iter__``."""
        self._uploads = False
        self.replace(module.DataLoader, "__iter__", self._make)

    def _make(self, original):
        @functools.wraps(original)
        def __iter__(loader):
            if self.active:
                try:
                    self._pin(loader)
                except Exception as error:
                    self.failed(error)
            return original(loader)

        return __iter__

    def _pin(self, loader):
        if self.given(loader) is not None or self.prepares_data():
            return
        reason = why_not_pinned(self.torch)
        if reason or loader.pin_memory:
            self.not_applicable(reason or "the loader pins already")
            return
        if loader.persistent_workers and loader._iterator is not None:
            self.not_applicable("its workers were started before")
            return
        self.give(loader, pin_memory=True)
        if self.parameters.get("non_blocking", True) and not self._uploads:
            self._uploads = True
            make_uploads_asynchronous(self)
        self.applied(non_blocking=self._uploads)


def why_not_pinned(torch):
    """Why pinned memory would not help here, None when it may. Asks CUDA nothing that would start it."""
    if torch.version.cuda is None and getattr(torch.version, "hip", None) is None:
        return "this torch has no GPU to copy to"
    if "torch.cuda" not in sys.modules or not torch.cuda.is_initialized():
        return "no GPU was in use when the loader was iterated"
    return None


PATCH = PinMemory
