"""What the fixes about the model have in common: they act around its outermost calls.

The probe that marks those calls (`probes._torch_roots`) lets ours go around them, within its marks. A model's first call with a
fix is on probation: if it raises, every fix that is new to the model is taken off, what the call had changed is put back, and
the call is made again as the script wrote it.
"""

import functools
import weakref
from threading import get_ident

from ..probes._model_facts import lazy
from .base import Patch

# What ``suits`` says of a call that does not tell: it is asked again at the next.
LATER = object()
# What an error of torch.compile goes on with: how its developers find out more.
COMPILERS_ADVICE = "\n\nSet TORCH"


class RootPatch(Patch):
    """A fix around outermost model calls.

    A fix overrides ``suits`` and those of ``enter``, ``leave`` and ``result`` that it needs.
    """

    idle = "no call of a model was seen"
    #: Fixes are entered in this order, the largest innermost.
    order = 0

    def place(self):
        """Go around the calls of every model that is found from here on."""
        roots = self.session.roots
        if roots.around is None:
            roots.around = RootCalls(self.session, self.torch)
        self.on_undo(roots.around.add(self))

    def suits(self, model, args, kwargs):
        """None if the fix can act on this model, else why not, or LATER. Asked once for each model, at its first call."""
        raise NotImplementedError

    def enter(self, model, args, kwargs):
        """Before a call; returns the arguments to call with."""
        return args, kwargs

    def leave(self, model):
        """After every call that was entered, also if it raised."""

    def result(self, model, output):
        """After a call that returned, and after ``leave``; returns the output for the script."""
        return output

    def withdraw(self, reason):
        """It turned out that the fix has nothing to do in this script, whatever it did so far: it is not applicable."""
        self.count = 0
        self.not_applicable(reason)
        self.disarm()


class RootCalls:
    """The fixes that go around outermost model calls, in one process."""

    def __init__(self, session, torch):
        self._session, self._torch = session, torch
        self._patches = []
        self._inside = set()  # threads within an outermost call
        self._chosen = weakref.WeakKeyDictionary()  # model -> {patch: whether it suits}

    def add(self, patch):
        """Let the patch act; returns what takes it out."""
        self._patches = sorted([*self._patches, patch], key=lambda each: each.order)
        for cls in (RootCalls, _Before, *type(patch).__mro__):
            for function in vars(cls).values():
                if hasattr(function, "__code__"):
                    self._session.calls.never_compile(function)

        def remove():
            self._patches = [each for each in self._patches if each is not patch]

        return remove

    def wrap(self, own):
        """A class's ``__call__`` with the fixes around *own*, or around nn.Module's as it is at each call if that is None."""
        calls, module = self, self._torch.nn.Module

        def __call__(self, *args, **kwargs):
            call = own or module.__call__
            thread = get_ident()
            if not calls._patches or thread in calls._inside:
                return call(self, *args, **kwargs)
            calls._inside.add(thread)
            try:
                return calls._call(call, self, args, kwargs)
            finally:
                calls._inside.discard(thread)

        self._session.calls.never_compile(__call__)
        return functools.wraps(own or module.__call__)(__call__)

    def _call(self, call, model, args, kwargs):
        try:
            acting, new = self._acting(model, args, kwargs)
            before = _Before(self._torch, model) if new else None
        except Exception as error:  # a model that cannot be looked up, or of which no copy fits
            self._session.broke("fixes", error)
            return call(model, *args, **kwargs)
        if not new:
            return self._with(acting, call, model, args, kwargs)
        try:
            return self._with(acting, call, model, args, kwargs)
        except Exception as error:
            said = str(error).split(COMPILERS_ADVICE)[0].strip()
            reason = "the model's first call with it raised %s: %s" % (type(error).__name__, said)
        for patch in new:
            patch.failed(reason)
        before.restore()
        return self._with([patch for patch in acting if patch not in new], call, model, args, kwargs)

    def _with(self, acting, call, model, args, kwargs):
        entered = []
        try:
            for patch in acting:
                try:
                    args, kwargs = patch.enter(model, args, kwargs)
                    entered.append(patch)
                except Exception as error:
                    patch.failed(error)
            output = call(model, *args, **kwargs)
        except BaseException:
            for patch in reversed(entered):
                _guarded(patch, patch.leave, model)
            raise
        for patch in reversed(entered):
            _guarded(patch, patch.leave, model)
            output = _guarded(patch, patch.result, model, output)
        return output

    def _acting(self, model, args, kwargs):
        """The patches for this call, and which of them the model has not met before."""
        chosen, new = self._chosen.get(model), []
        if chosen is None:
            if any(lazy(parameter) for parameter in model.parameters()):
                return [], new  # its first call makes the parameters
            chosen = self._chosen[model] = {}
        acting = []
        for patch in self._patches:
            if not patch.active:
                continue
            suits = chosen.get(patch)
            if suits is None:
                suits = self._suits(patch, model, args, kwargs)
                if suits is not None:
                    chosen[patch] = suits
                if suits:
                    new.append(patch)
            if suits:
                acting.append(patch)
        return acting, new

    def _suits(self, patch, model, args, kwargs):
        try:
            reason = patch.suits(model, args, kwargs)
        except Exception as error:
            patch.failed(error)
            return False
        if reason is LATER:
            return None
        if reason:
            patch.not_applicable(reason)
        return not reason


def _guarded(patch, function, model, *output):
    try:
        return function(model, *output)
    except Exception as error:
        patch.failed(error)
        return output[0] if output else None


class _Before:
    """What a call changes besides its result: buffers (running statistics) and the random generators of the framework."""

    def __init__(self, torch, model):
        self._torch = torch
        self._buffers = [(buffer, buffer.detach().clone()) for buffer in model.buffers() if not lazy(buffer)]
        self._cpu = torch.get_rng_state()
        self._cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else None

    def restore(self):
        with self._torch.no_grad():
            for buffer, value in self._buffers:
                buffer.copy_(value)
        self._torch.set_rng_state(self._cpu)
        if self._cuda is not None:
            self._torch.cuda.set_rng_state_all(self._cuda)
