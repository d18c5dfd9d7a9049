"""The losses and learning rates of a monitored process, as marks among the others, so that they can be watched while it runs.

A loss on the host is read at once. One on a CUDA device is copied to page-locked memory in the stream's own order, and read at a
later backward, once the copy's event has completed by itself: nothing ever waits for the device. (Reading a number from the device
itself, ``.item()``, would wait for all that was launched before, also when the number has been known for long.) A loss on another
kind of device, or a learning rate that is a number on a device, is not read; a fact says so.
"""

from struct import Struct
from threading import get_ident

from ..model import marks
from .session import now_ns
from .torch_losses import TorchLosses

# Copies on their way at the same time. A device that is further behind than that has its next losses passed over.
SLOTS = 64

_pack_value = Struct("2qdq").pack  # as a mark of four words, its third being a double


class Stream(TorchLosses):
    """Marks what each backward began from, and each change of a learning rate."""

    def __init__(self, session, torch):
        TorchLosses.__init__(self, session, torch)
        self._plain = torch.Tensor
        self._rates = {}  # optimizer's number -> the rate last marked
        self._late = None  # Late, made at the first loss on a CUDA device
        self._unread = set()

    def arm(self, watch):
        """Begin."""
        # Called with a tensor at hand between the graphs of a compiled step: the compiler would make frames of them.
        for function in (f for kind in (*Stream.__mro__[:-1], Late) for f in vars(kind).values()):
            if hasattr(function, "__code__"):
                self._session.calls.never_compile(function)
        TorchLosses.arm(self, watch)
        watch.when("torch.optim.optimizer", self._watch_optimizers)

    # -- losses

    def _noting(self, original):
        backward = TorchLosses._noting(self, original)
        self._session.calls.never_compile(backward)
        return backward

    def note(self, tensors):
        """Mark a scalar loss; what is no scalar is no loss of ours. In sparse steps nothing is read."""
        session = self._session
        if session.sparse:
            return
        tensor = tensors if isinstance(tensors, self._plain) else next(iter(tensors), None)
        if tensor is None or tensor.numel() != 1:
            return
        if self._scaled is not None and self._scaled[0]() is tensor:
            tensor = self._scaled[1]
        if self._late is not None:
            self._late.read_completed()
        if type(tensor) is not self._plain:  # a distributed one would talk to the other ranks
            self._pass_over("a loss", type(tensor).__name__)
        elif tensor.is_cpu:
            self._mark(now_ns(), session.threads[get_ident()], tensor.item())
        elif tensor.is_cuda:
            self._copy(tensor)
        else:
            self._pass_over("a loss", "a tensor on %s" % tensor.device.type)

    def _mark(self, at_ns, thread, value):
        self._session.rows.append(_pack_value(at_ns, marks.LOSS | thread, value, 0))

    def _copy(self, tensor):
        if self._late is None:
            self._late = for_cuda(self._torch, self._mark)
        self._late.copy(tensor.detach().reshape(()), now_ns(), self._session.threads[get_ident()])

    def _pass_over(self, what, why):
        if (what, why) not in self._unread:
            self._unread.add((what, why))
            self._session.fact("unread", what=what, why=why)

    # -- learning rates

    def _watch_optimizers(self, module, *_):
        handle = module.register_optimizer_step_pre_hook(self._make_hook(self._torch.compiler.is_compiling))
        self._session.undo.append(("stream", handle.remove))

    def _make_hook(self, is_compiling):
        session, rates = self._session, self._rates

        def before(optimizer, args, kwargs):
            if is_compiling() or session.ended:
                return
            try:
                number = session.optimizers.objects.known.get(id(optimizer), -1)
                rate = optimizer.param_groups[0]["lr"]
                if rates.get(number) is not rate:
                    self._rate_changed(number, rate)
            except Exception as error:
                session.broke("stream", error)

        return before

    def _rate_changed(self, number, rate):
        if isinstance(rate, self._plain):
            if not rate.is_cpu:
                self._pass_over("a learning rate", "a tensor on %s" % rate.device.type)
                return
            rate = rate.item()
        if self._rates.get(number) != rate:
            self._session.rows.append(_pack_value(now_ns(), marks.RATE | number << 8, rate, 0))
        self._rates[number] = rate

    # -- the end

    def finish(self):
        """What has arrived by now; nothing is waited for."""
        if self._late is not None:
            self._late.read_completed()

    def forget_after_fork(self):
        """The losses are the parent's, and a device cannot be used in a forked child."""
        TorchLosses.forget_after_fork(self)
        self._rates.clear()
        self._parents, self._late = self._late, None  # never given back: that would speak to the device


class Late:
    """Numbers on their way from a device, generic over where they go, so that it can be tested where there is no GPU.

    *slots* are pairs of a one-number tensor on the host and an event with ``record()`` and ``query() -> bool``; ``may_copy()`` says whether
    copying is allowed now (not while a graph is being captured); ``emit(time_ns, thread, value)`` takes what has arrived.
    """

    def __init__(self, slots, may_copy, emit):
        self._free, self._pending = list(slots), []
        self._may_copy, self._emit = may_copy, emit

    def copy(self, number, at_ns, thread):
        """Launch the copy of a tensor of one number. Without a free slot the device is far behind, and this one is passed over."""
        if not self._free or not self._may_copy():
            return
        slot = self._free.pop()
        slot[0].copy_(number, non_blocking=True)
        slot[1].record()
        self._pending.append((slot, at_ns, thread))

    def read_completed(self):
        """Emit what has arrived, in the order of its launching."""
        pending = self._pending
        while pending and pending[0][0][1].query():
            slot, at_ns, thread = pending.pop(0)
            self._emit(at_ns, thread, slot[0].item())
            self._free.append(slot)


def for_cuda(torch, emit):
    """Slots in page-locked memory, for the current stream of each loss's device."""
    cuda = torch.cuda
    buffer = torch.empty(SLOTS, dtype=torch.float32, pin_memory=True)
    slots = [(buffer[index], cuda.Event()) for index in range(SLOTS)]
    return Late(slots, lambda: not cuda.is_current_stream_capturing(), emit)
