"""The probe for PyTorch: loader, forward, backward, optimizer, saves and logs as marks.

Each hook point was chosen because it disturbs nothing (tests hold it to that): the loader iterator's ``__next__``, the one
function every backward goes through, the public global optimizer hooks, and the ``__call__`` of the *classes* whose
instances are called outermost. No module hook, nothing on an instance that pickling or compiling could see.
"""

import functools
import sys
from itertools import islice
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack, pack_pair
from .. import pauses
from ..device_clock import for_cuda
from ..session import now_ns
from . import _torch_facts as facts
from ._torch_roots import arm_roots
from .cycle import Cycle
from .hooks import place_all, replaced
from .objects import Objects
from .spans import arm_spans

# How deep into a batch's containers the first tensor is looked for, and among how many items of each.
MAX_BATCH_DEPTH = 4
MAX_BATCH_ITEMS = 16


def arm(session, watch):
    """Put every hook in place; returns the names of those that are."""
    return place_all(session, _HOOKS, sys.modules["torch"], watch)


# -- loader --------------------------------------------------------------------------------------------------------


def _arm_loader(session, torch, watch):
    watch.when("torch.utils.data.dataloader", lambda module, *_: _patch_loader(session, module, torch))


def _patch_loader(session, dataloader, torch):
    base = dataloader._BaseDataLoaderIter
    loaders = Objects(session, facts.loader)

    def make_next(original):
        append, threads, count = session.rows.append, session.threads, batch_counter(torch)
        enter, leave = marks.LOADER_ENTER, marks.LOADER_EXIT

        @functools.wraps(original)
        def __next__(self):
            # An int on the iterator (never pickled, dies with the epoch) is the cheapest way to know its loader.
            where = getattr(self, "_perfkit_loader", 0) << 8 | threads[get_ident()]
            samples = tokens = -2
            began = now_ns()
            try:
                batch = original(self)
                samples, tokens = count(batch)
                session.batch_counted = samples >= 0
                return batch
            finally:
                append(pack_pair(began, enter | where, 0, 0, now_ns(), leave | where, samples, tokens))

        return __next__

    def make_init(original):
        @functools.wraps(original)
        def __init__(self, loader, *args, **kwargs):
            original(self, loader, *args, **kwargs)
            try:
                self._perfkit_loader = loaders.id_of(loader)
            except Exception as error:
                session.broke("loader", error)

        return __init__

    def make_iter(original):
        @functools.wraps(original)
        def __iter__(self):
            where = -1
            try:
                where = loaders.id_of(self)
                session.mark(marks.LOADER_START_ENTER, where, facts.length(self))
            except Exception as error:
                session.broke("loader", error)
            try:
                return original(self)
            finally:
                if where >= 0:
                    session.mark(marks.LOADER_START_EXIT, where)

        return __iter__

    replaced(session, "loader", base, "__next__", make_next)
    replaced(session, "loader", base, "__init__", make_init)
    replaced(session, "loader", dataloader.DataLoader, "__iter__", make_iter)


def batch_counter(torch):
    """A function from a batch to (samples, tokens); -1 where unknown. It must be cheap and can never raise."""
    tensor = torch.Tensor
    int64, int32 = torch.int64, torch.int32

    def first_tensor(batch, depth):
        if isinstance(batch, tensor):
            return batch
        if depth == 0:
            return None
        if hasattr(batch, "keys"):
            if "input_ids" in batch:
                return first_tensor(batch["input_ids"], depth - 1)
            batch = batch.values()
        elif not isinstance(batch, (list, tuple)):
            batch = getattr(batch, "__dict__", {}).values()  # a batch class; empty for strings and numbers
        for item in islice(batch, MAX_BATCH_ITEMS):
            found = first_tensor(item, depth - 1)
            if found is not None:
                return found
        return None

    def count(batch):
        try:
            kind = type(batch)
            if (kind is list or kind is tuple) and type(batch[0]) is tensor:  # nearly always
                found = batch[0]
            else:
                found = first_tensor(batch, MAX_BATCH_DEPTH)
            shape = found.shape
            if len(shape) == 2 and (found.dtype is int64 or found.dtype is int32):
                return shape[0], shape[0] * shape[1]
            return shape[0], -1
        except Exception:  # no tensor, or one without dimensions
            return -1, -1

    return count


# -- backward ------------------------------------------------------------------------------------------------------


def _arm_backward(session, torch, watch):
    # Tensor.backward calls torch.autograd.backward, so one function sees them all.
    is_compiling = torch.compiler.is_compiling
    append, threads = session.rows.append, session.threads
    enter, leave = marks.BACKWARD_ENTER, marks.BACKWARD_EXIT
    roots = session.roots

    def make(original):
        @functools.wraps(original)
        def backward(*args, **kwargs):
            if is_compiling() or session.sparse:
                return original(*args, **kwargs)
            thread = threads[get_ident()]
            began = now_ns()
            if session.device_clock is not None:
                session.device_phase_ended(marks.PHASE_FORWARD)
            try:
                return original(*args, **kwargs)
            finally:
                at = now_ns()
                append(pack_pair(began, enter | thread, 0, 0, at, leave | thread, 0, 0))
                if session.device_clock is not None:
                    session.device_phase_ended(marks.PHASE_BACKWARD)
                if roots.settled and roots.forward_seen:
                    roots.forward_seen = False
                else:
                    try:
                        roots.backward_ended(at)
                    except Exception as error:
                        session.broke("backward", error)

        return backward

    replaced(session, "backward", torch.autograd, "backward", make)
    replaced(session, "backward", torch.autograd, "grad", make)


# -- optimizer -----------------------------------------------------------------------------------------------------


def _arm_optimizer(session, torch, watch):
    watch.when("torch.optim.optimizer", lambda module, *_: _patch_optimizer(session, module, torch))
    watch.when("torch.amp.grad_scaler", lambda module, *_: _patch_scaler(session, module, torch))


def _patch_optimizer(session, optimizer, torch):
    state = session.optimizers = _Optimizers(session, torch)
    handles = (
        optimizer.register_optimizer_step_pre_hook(state.before),
        optimizer.register_optimizer_step_post_hook(state.after),
    )
    for handle in handles:
        session.undo.append(("optimizer", handle.remove))

    state.mark_zero_grad(optimizer.Optimizer)


class _Optimizers(Cycle):
    """Optimizer steps as marks."""

    def __init__(self, session, torch):
        super().__init__(session, "optimizer")
        self.torch = torch
        self.objects = Objects(session, self._met)
        self.in_scaler = 0
        self.before, self.after = self._make_hooks(torch.compiler.is_compiling)
        self._zero_grad_of = set()

    def _met(self, thing):
        """Facts about an optimizer; from here on a ``zero_grad`` of its class's own is marked as the base's is."""
        owner = next((cls for cls in type(thing).__mro__ if "zero_grad" in vars(cls)), None)
        if owner is not None:
            self.mark_zero_grad(owner)
        return facts.optimizer(thing)

    def mark_zero_grad(self, owner):
        """Mark calls of the ``zero_grad`` that the class *owner* defines."""
        if owner not in self._zero_grad_of:
            self._zero_grad_of.add(owner)
            replaced(self.session, "optimizer", owner, "zero_grad", self._marked_zero_grad)

    def _marked_zero_grad(self, original):
        session, known = self.session, self.objects.known
        append, threads = session.rows.append, session.threads
        is_compiling, enter, leave = self.torch.compiler.is_compiling, marks.ZERO_GRAD_ENTER, marks.ZERO_GRAD_EXIT

        @functools.wraps(original)
        def zero_grad(self, *args, **kwargs):
            number = None if is_compiling() or session.sparse else known.get(id(self))
            if number is None:  # within a compiled region, a sparse step, or before this optimizer's first step
                return original(self, *args, **kwargs)
            where = number << 8 | threads[get_ident()]
            began = now_ns()
            try:
                return original(self, *args, **kwargs)
            finally:
                append(pack_pair(began, enter | where, 0, 0, now_ns(), leave | where, 0, 0))

        return zero_grad

    def _make_hooks(self, is_compiling):
        """The global step pre-hook and post-hook. Closures: they run at every step."""
        session, id_of, known, state = self.session, self.objects.id_of, self.objects.known, self
        append, threads = session.rows.append, session.threads
        enter, leave, sparse = marks.OPTIMIZER_ENTER, marks.OPTIMIZER_EXIT, marks.FLAG_SPARSE
        began = {}  # optimizer -> when its step began; a step that raises leaves its entry to the next one

        def before(optimizer, args, kwargs):
            if is_compiling():
                return
            try:
                number = known.get(id(optimizer), -1)
                if number < 0:
                    number = id_of(optimizer)
                began[number] = now_ns()
            except Exception as error:
                session.broke("optimizer", error)

        def after(optimizer, args, kwargs):
            if is_compiling():
                return
            at = now_ns()
            try:
                number = known[id(optimizer)]
                where = number << 8 | threads[get_ident()]
                own, session.own_ns = session.own_ns, 0
                flags = sparse if session.sparse else 0
                append(pack_pair(began[number], enter | where, 0, 0, at, leave | where, flags, own))
                if state.in_scaler:
                    return
                if number == state.only and session.device_clock is None:
                    session.step_ended("optimizer", at)
                else:
                    state.stepped(number, at)
            except Exception as error:
                session.broke("optimizer", error)

        return before, after

    def stepped(self, number, at_ns):
        """One optimizer has stepped."""
        if self.session.device_clock is not None:
            self.session.device_phase_ended(marks.PHASE_OPTIMIZER)
        super().stepped(number, at_ns)


def _patch_scaler(session, grad_scaler, torch):
    # A step that the scaler skips (gradients overflowed) never reaches the optimizer's hooks, but is a step.
    def make(original):
        @functools.wraps(original)
        def step(self, optimizer, *args, **kwargs):
            state = getattr(session, "optimizers", None)
            if state is None or torch.compiler.is_compiling():
                return original(self, optimizer, *args, **kwargs)
            number = state.objects.id_of(optimizer)
            session.mark(marks.OPTIMIZER_ENTER, number, marks.FLAG_SCALER)
            state.in_scaler += 1
            try:
                return original(self, optimizer, *args, **kwargs)
            finally:
                state.in_scaler -= 1
                try:
                    at = now_ns()
                    where = marks.OPTIMIZER_EXIT | number << 8 | session.threads[get_ident()]
                    flags = marks.FLAG_SCALER | (marks.FLAG_SPARSE if session.sparse else 0)
                    session.rows.append(pack(at, where, flags, session.take_own_ns()))
                    state.stepped(number, at)
                except Exception as error:
                    session.broke("scaler", error)

        return step

    replaced(session, "scaler", grad_scaler.GradScaler, "step", make)


# -- everything else -----------------------------------------------------------------------------------------------


def _arm_forward(session, torch, watch):
    arm_roots(session, torch, batch_counter(torch), _is_loader_worker)


def _arm_spans(session, torch, watch):
    arm_spans(session, watch, replaced, torch.compiler.is_compiling)


def _arm_compile(session, torch, watch):
    watch.when("torch._dynamo.utils", session.calls.correct_compiler)
    watch.when("torch._dynamo.eval_frame", session.calls.compiler_imported)
    watch.when("torch._dynamo.callback", lambda module, *_: _watch_compiler(session, module))


def _watch_compiler(session, callback):
    handler = callback.callback_handler

    def begins(*_):
        session.mark(marks.COMPILE_ENTER)
        session.calls.suspend()

    def ended(*_):
        session.calls.resume()
        session.mark(marks.COMPILE_EXIT)

    start, end = handler.register_start_callback(begins), handler.register_end_callback(ended)
    session.undo.append(("compile", lambda: handler.remove_start_callback(start)))
    session.undo.append(("compile", lambda: handler.remove_end_callback(end)))


def _arm_memory(session, torch, watch):
    def peaks():
        if "torch.cuda" not in sys.modules or not torch.cuda.is_initialized():
            return []
        cuda = torch.cuda
        return [
            (index, cuda.max_memory_allocated(index), cuda.max_memory_reserved(index))
            for index in range(cuda.device_count())
            if cuda.memory_allocated(index) or cuda.max_memory_allocated(index)
        ]

    session.memory_peaks = peaks
    session.describers.append(functools.partial(facts.framework, torch, session))


def _arm_window(session, torch, watch):
    if session.window is None:  # another framework's: the first that was imported has it
        from ..torch_profiler import TorchProfiler
        from ..window import TraceWindow

        session.window = TraceWindow(session, TorchProfiler(session, torch))


def _arm_device_clock(session, torch, watch):
    session.make_device_clock = functools.partial(for_cuda, session, torch)


def _arm_pauses(session, torch, watch):
    pauses.arm(session)


def _is_loader_worker():
    data = sys.modules.get("torch.utils.data")
    return data is not None and data.get_worker_info() is not None


_HOOKS = (
    ("loader", _arm_loader),
    ("forward", _arm_forward),
    ("backward", _arm_backward),
    ("optimizer", _arm_optimizer),
    ("spans", _arm_spans),
    ("compile", _arm_compile),
    ("memory", _arm_memory),
    ("window", _arm_window),
    ("device clock", _arm_device_clock),
    ("pauses", _arm_pauses),
)
