"""The losses of PyTorch: copies of the scalars that backward was called on. A copy of one number waits for nothing, and it costs
the same with a fix and without.
"""

import functools
import weakref
from struct import Struct

from ..model import marks
from .losses import Losses
from .replace import replace

CHUNK = 256  # so many copies become one tensor: small ones of their own take a block of device memory each
LOOK_BACK = 64  # marks in which the batch of this backward is looked for

_COUNTING = (marks.LOADER_EXIT, marks.FORWARD_EXIT)
_last_words = Struct("3q").unpack_from  # tag, a, b of the mark that ends a row


class TorchLosses(Losses):
    """What each backward began from."""

    def __init__(self, session, torch):
        super().__init__(session)
        self._torch = torch

    def _forget(self):
        super()._forget()
        self._chunks, self._open, self._batch = [], [], 0
        self._scaled = None  # what a GradScaler made of a loss: (reference to the product, the loss)

    def arm(self, watch):
        """Note the loss of every backward from now on. After the fixes: what the script itself calls is what counts."""
        self._session.undo.append(("losses", replace(self._torch.autograd, "backward", self._noting)))
        watch.when("torch.amp.grad_scaler", self._watch_scaler)

    def _noting(self, original):
        is_compiling, session = self._torch.compiler.is_compiling, self._session

        @functools.wraps(original)
        def backward(tensors, *args, **kwargs):
            if not is_compiling() and not session.ended:
                try:
                    self.note(tensors)
                except Exception as error:
                    session.broke("losses", error)
            return original(tensors, *args, **kwargs)

        return backward

    def note(self, tensors):
        """Keep a copy of a scalar loss; what is no scalar is no loss of ours."""
        tensor = tensors if isinstance(tensors, self._torch.Tensor) else next(iter(tensors), None)
        if tensor is None or tensor.numel() != 1 or self.is_full:
            return
        if self._scaled is not None and self._scaled[0]() is tensor:
            tensor = self._scaled[1]
        self.counted(self._batch_size())
        self._open.append(tensor.detach().reshape(()).clone())
        if len(self._open) >= CHUNK:
            self._chunks.append(self._joined())
            self._open = []

    def _joined(self):
        try:
            return [self._torch.stack(self._open)]
        except (RuntimeError, TypeError):  # of several devices
            return self._open

    def _batch_size(self):
        """Samples of the batch that this backward is about: the last that a loader or a model call counted."""
        rows = self._session.rows
        for row in reversed(rows[-LOOK_BACK:]):
            tag, samples, _ = _last_words(row, len(row) - 24)
            if samples > 0 and tag & 0xFF in _COUNTING:
                self._batch = samples
                break
        return self._batch

    def _watch_scaler(self, module, *_):
        self._session.undo.append(("losses", replace(module.GradScaler, "scale", self._remembering)))

    def _remembering(self, original):
        tensor_class = self._torch.Tensor

        @functools.wraps(original)
        def scale(scaler, outputs):
            result = original(scaler, outputs)
            if isinstance(outputs, tensor_class) and isinstance(result, tensor_class):
                self._scaled = weakref.ref(result), outputs.detach()
            return result

        return scale

    def _values(self):
        kept = (tensor for chunk in [*self._chunks, self._open] for tensor in chunk)
        return [value for each in kept for value in each.to("cpu", self._torch.float64).reshape(-1).tolist()]
