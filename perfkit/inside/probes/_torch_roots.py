"""Finds the models that a script calls outermost, and marks those calls.

For the first few steps ``nn.Module.__call__`` is ours: a call with parameters, below no other and outside the loader, names
a root class. That class gets a ``__call__`` of its own that marks, and ``nn.Module`` is given back its own. So submodules keep
their fast path, nothing hangs on an instance, and a compiled model sees no hook (DESIGN: module hooks break scripts).
"""

import functools
import sys
from threading import get_ident

from ...model import marks
from ...runs.recorder import pack_pair
from ..calls import CallPatches
from ..session import now_ns
from . import _model_facts as facts
from .objects import Objects
from .observed import Observed

# Discovery ends after this many outermost calls of classes already known, so that a script with several models (a GAN)
# shows them all.
DISCOVERY_CALLS = 24
MOST_ROOT_CLASSES = 16
MOST_DISCOVERIES = 8
# So many backward passes and still no optimizer: the script updates by hand (or accumulates, and the clock changes later).
BACKWARDS_WITHOUT_OPTIMIZER = 4


class Roots:
    """State shared by discovery and by the marked calls."""

    def __init__(self, session, torch, count_batch, is_worker):
        self.session, self.torch = session, torch
        self.count_batch, self.is_worker = count_batch, is_worker
        self.module = torch.nn.Module
        self.active = set()  # threads inside a marked call: a server calls models in several
        self.calls_left = DISCOVERY_CALLS
        self.marked = set()  # the __call__ functions that mark
        self.discoveries_left = MOST_DISCOVERIES
        self.observed = Observed(session, torch)  # asked while calls are left to discover
        self.models = Objects(session, lambda model: facts.model(model, torch))
        self.forwards_since_backward = self.backwards = 0
        self.forward_seen = False  # since the last backward
        self.settled = False  # the optimizer is the clock and every root is known: less to do at each call
        self.around = None  # patches.root_calls.RootCalls, if a fix acts around the calls of models

    # -- discovery -------------------------------------------------------------------------------------------------

    def discover(self):
        """Take nn.Module.__call__ for a while."""
        module, original = self.module, self.module.__call__
        roots, threads = self, self.session.threads

        @functools.wraps(original)
        def __call__(self, *args, **kwargs):
            if threads[get_ident()] in roots.active or not roots.marks_calls_of(self):
                return original(self, *args, **kwargs)
            return type(self).__call__(self, *args, **kwargs)

        self._restore = self.session.calls.put(module, __call__)
        self.session.undo.append(("forward", self._restore))

    def marks_calls_of(self, instance):
        """Whether the instance's class marks its calls, after adopting it if this outermost call makes it a root.

        A bound ``model.__call__`` kept from before (transformers' generate does so) comes here and not through the class.
        """
        if type(instance).__call__ in self.marked:
            return True
        return self.calls_left > 0 and not self.session.ended and self.adopt_if_root(instance)

    def adopt_if_root(self, instance):
        """Whether the instance's class now marks its calls."""
        try:
            if self.is_root(instance):
                self.adopt(type(instance))
                return True
        except Exception as error:  # a class that refuses attributes, a module half built
            self.session.broke("forward", error)
        return False

    def is_root(self, instance):
        """Whether this outermost call is a model's: it has parameters and is not part of preparing data."""
        if len(self.marked) >= MOST_ROOT_CLASSES:
            return False
        if next(iter(instance.parameters()), None) is None or self.is_worker():
            return False
        frame = sys._getframe(4)
        while frame is not None:
            if frame.f_code.co_name == "__next__" and frame.f_globals.get("__name__", "").startswith(
                "torch.utils.data"
            ):
                return False
            frame = frame.f_back
        return True

    def adopt(self, cls):
        """Give the root class a ``__call__`` that marks."""
        # Of nn.Module itself the current __call__ is looked up at each call: a trace window replaces it for a while.
        plain = cls.__call__ is self.module.__call__
        own = None if plain else cls.__call__
        marked = self._marked_call(own if self.around is None else self.around.wrap(own))
        self.marked.add(marked)
        self.session.undo.append(("forward", self.session.calls.put(cls, marked)))

    # -- marked calls ----------------------------------------------------------------------------------------------

    def _marked_call(self, own):
        roots, session, module, grad_enabled = self, self.session, self.module, self.torch.is_grad_enabled
        append, threads, count_batch = session.rows.append, session.threads, self.count_batch
        active, id_of, known = self.active, self.models.id_of, self.models.known
        enter, leave = marks.FORWARD_ENTER, marks.FORWARD_EXIT

        def __call__(self, *args, **kwargs):  # never traced by a compiler: see CallPatches
            call = own or module.__call__
            if session.sparse and roots.settled and self.training and grad_enabled():
                return call(self, *args, **kwargs)
            thread = threads[get_ident()]
            if thread in active:
                return call(self, *args, **kwargs)
            active.add(thread)  # before what may fail: it also keeps the discovering __call__ from coming back here
            try:
                number = known.get(id(self), -1)
                where = (id_of(self) if number < 0 else number) << 8 | thread
                grad = grad_enabled()
                if grad and not self.training and not session.detail_always:  # an evaluation if no backward follows it
                    session.detail_always = True  # no call: the compiler would make a frame of it
                    session.short = session.sparse = False
                samples = tokens = -1
                if session.batch_counted:
                    session.batch_counted = False
                else:
                    samples, tokens = count_batch(args or kwargs)
                flags = grad | self.training << 1  # FLAG_GRAD, FLAG_TRAINING
                own_ns = 0
                if session.clock == "inference":
                    own_ns, session.own_ns = session.own_ns, 0
                began = now_ns()
            except Exception as error:
                session.broke("forward", error)
                try:
                    return call(self, *args, **kwargs)
                finally:
                    active.discard(thread)
            try:
                return call(self, *args, **kwargs)
            finally:
                at = now_ns()
                append(pack_pair(began, enter | where, flags, own_ns, at, leave | where, samples, tokens))
                active.discard(thread)
                if at >= session.sign_ns:
                    session.sign(at)
                if roots.settled:
                    roots.forward_seen = True
                else:
                    try:
                        roots.ended(grad, at)
                    except Exception as error:
                        session.broke("forward", error)

        functools.update_wrapper(__call__, own or module.__call__)
        return __call__

    def ended(self, grad, at_ns):
        """After an outermost call: is this script only inferring? And enough of discovery?"""
        session = self.session
        self.forward_seen = session.worked = True
        if self.calls_left:
            self.observed.call(grad)
            self._discovered()
        if session.clock == "optimizer":
            self.settled = not self.calls_left
            return
        self.forwards_since_backward += 1
        if (not grad or self.forwards_since_backward > 2) and not self.is_worker():
            session.step_ended("inference", at_ns)

    def backward_ended(self, at_ns):
        """After a backward: a forward that was not seen, or an update that no optimizer makes?"""
        self.forwards_since_backward = 0
        if self.calls_left:
            self.observed.backward()
        if self.forward_seen:
            self.forward_seen = False
        else:
            self.discover_again()
        session = self.session
        if session.clock == "optimizer":
            return
        session.worked = True
        self.backwards += 1
        if self.backwards >= BACKWARDS_WITHOUT_OPTIMIZER:
            session.step_ended("backward", at_ns)

    def discover_again(self):
        """A backward came without a forward we saw: the script has another model by now."""
        if not self.calls_left and self.discoveries_left:
            self.discoveries_left -= 1
            self.settled = self.session.short = self.session.sparse = False
            self.calls_left = DISCOVERY_CALLS
            self.discover()

    def _discovered(self):
        self.calls_left -= 1
        if not self.calls_left:
            self._restore()

    def may_train_later(self):
        """Whether an optimizer has been made, so that calls without gradient are an evaluation, not the script's purpose."""
        optimizer = sys.modules.get("torch.optim.optimizer")
        if optimizer is None:
            return False
        waiting = [optimizer.Optimizer]
        while waiting:
            cls = waiting.pop()
            if getattr(cls.__dict__.get("step"), "hooked", False):
                return True
            waiting.extend(cls.__subclasses__())
        return False


def arm_roots(session, torch, count_batch, is_worker):
    """Begin discovery. The roots stay reachable as ``session.roots`` for the trace window."""
    session.calls = CallPatches(torch)
    session.roots = Roots(session, torch, count_batch, is_worker)
    session.trainers.append(session.roots.may_train_later)
    # Called from a marked call, with a module or a tensor at hand: the compiler would make frames of them.
    for function in (*vars(Roots).values(), *vars(Objects).values(), count_batch, is_worker):
        if hasattr(function, "__code__"):
            session.calls.never_compile(function)
    session.roots.discover()
