"""compile: ``torch.compile`` of the models that a script calls.

Parameters: ``mode`` (default, reduce-overhead …), ``dynamic``, ``backend`` (all as torch.compile's). A model is compiled in place,
as by ``Module.compile``: it stays the same object of the same class, with the same keys in its state, and it pickles.
"""

import sys
import weakref
from contextlib import suppress
from importlib import import_module
from threading import get_ident

from ..probes.compiler_facts import compilations
from .containers import map_tensors
from .root_calls import RootPatch

PARAMETERS = ("mode", "dynamic", "backend")
COMPILED = "_compiled_call_impl"  # where Module.compile leaves it; never pickled
# With these the output lies in memory that the next call overwrites, which a script that keeps its outputs must not notice.
GRAPH_MODES = ("reduce-overhead", "max-autotune")
DYNAMO, AOT, GRAPHS = "torch._dynamo.config", "torch._functorch.config", "torch._functorch._aot_autograd.graph_compile"
# A compilation that fails leaves its part uncompiled.
NEVER_RAISING = (DYNAMO, "suppress_errors")
# Else a backward is compiled when the script runs it, where nothing of ours is around it to fall back.
WITH_BACKWARD = (AOT, "force_non_lazy_backward_lowering")
# Of what is saved for it, what a backward may use as memory of its own. Compiled before anybody knows whether the script retains
# the graph and goes through it again, it must not. (The setting of it, donated_buffer, is asked again when a backward runs, on a
# thread of CUDA's own, where what is set here does not hold.)
DONATED = (GRAPHS, "collect_bw_donated_buffer_idxs")


class Compile(RootPatch):
    """Each root model, compiled before its first call."""

    name = "compile"
    switchable = True
    order = 30

    def place(self):
        """Go around the model's calls: that is where it is compiled."""
        self._models = weakref.WeakSet()
        self._while_off = []  # (model, its compiled call)
        self._called = weakref.WeakSet()  # models whose first call is over
        self._set = {}  # thread -> [(module, name, value before)] of the compiler while a call goes on
        self._graphs = str(self.parameters.get("mode")) in GRAPH_MODES
        self.on_undo(self._take_off)
        super().place()

    def suits(self, model, args, kwargs):
        """A model that nobody has compiled."""
        for each in model.modules():
            if hasattr(each, "_orig_mod") or getattr(each, COMPILED, None) is not None:
                return "the script compiles it already"
            if isinstance(each, self.torch.jit.ScriptModule):
                return "the model is TorchScript"
        self._models.add(model)
        options = {key: self.parameters[key] for key in PARAMETERS if key in self.parameters}
        model.__dict__[COMPILED] = self.torch.compile(_compilable(model), **options)
        with suppress(ImportError):  # else there at the first call only
            import_module(GRAPHS)
        return None

    def enter(self, model, args, kwargs):
        """A first call is on probation; should a later one need a compilation that fails, that part stays uncompiled.

        Either also compiles the backward, so that one which fails does so here.
        """
        self._set[get_ident()] = []
        if self._has(*WITH_BACKWARD) and self._has(*DONATED):
            self._change(*DONATED, _nothing)
            self._change(*WITH_BACKWARD, True)
        if model in self._called and self._has(*NEVER_RAISING):
            self._change(*NEVER_RAISING, True)
        if self._graphs:
            self.torch.compiler.cudagraph_mark_step_begin()
        return args, kwargs

    def _has(self, module, name):
        """Whether the compiler is there, in a version that knows this."""
        return hasattr(sys.modules.get(module), name)

    def _change(self, module, name, value):
        module = sys.modules[module]
        before = getattr(module, name)
        if before is not value:
            setattr(module, name, value)
            self._set[get_ident()].append((module, name, before))

    def leave(self, model):
        """The compiler as it was."""
        for module, name, before in reversed(self._set.pop(get_ident(), ())):
            setattr(module, name, before)

    def result(self, model, output):
        """The call is over, and compiled; outputs in memory of a graph are copied out of it."""
        self._called.add(model)
        self.applied(mode=self.parameters.get("mode") or "default")
        return map_tensors(self.torch, output, _copied) if self._graphs else output

    def on(self):
        """The compiled calls again."""
        super().on()
        while self._while_off:
            model, call = self._while_off.pop()
            model.__dict__[COMPILED] = call

    def off(self):
        """The plain calls for a while; what has been compiled is kept."""
        super().off()
        self._while_off += [(model, call) for model, call in self._off() if call is not None]

    def _off(self):
        return [(model, model.__dict__.pop(COMPILED, None)) for model in self._models]

    def _take_off(self):
        self._off()
        self._while_off.clear()

    def finish(self):
        """With what came of it: graphs, breaks, compilations again and those that failed."""
        found = compilations(sys.modules.get("torch._dynamo.utils"))
        if self.count and found is not None:
            if not found["graphs"]:
                self.withdraw("the compiler could make no graph of the model")
            self._detail.update(found)
        super().finish()


def _compilable(model):
    """What `Module.compile` compiles, in a form that the compiler looks into.

    It skips frames of torch.nn itself: of an ``nn.Sequential``, or any other class of torch's, it would compile nothing.
    """
    if not type(model).forward.__module__.startswith("torch."):
        return model._call_impl

    def call(*args, **kwargs):
        return model._call_impl(*args, **kwargs)

    # The compiler remembers, and limits, compilations by code object: each model has one of its own.
    call.__code__ = call.__code__.replace()
    return call


def _nothing(*_graphs):
    return []


def _copied(tensor):
    return tensor.clone() if tensor.is_cuda else tensor


PATCH = Compile
