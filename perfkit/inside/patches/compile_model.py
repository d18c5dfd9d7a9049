"""compile: ``torch.compile`` of the models that a script calls.

Parameters: ``mode`` (default, reduce-overhead …), ``dynamic``, ``backend`` (all as torch.compile's). A model is compiled in place,
as by ``Module.compile``: it stays the same object of the same class, with the same keys in its state, and it pickles.
"""

import sys
import weakref

from ..probes.compiler_facts import compilations
from .containers import map_tensors
from .root_calls import RootPatch

PARAMETERS = ("mode", "dynamic", "backend")
COMPILED = "_compiled_call_impl"  # where Module.compile leaves it; never pickled
# With these the output lies in memory that the next call overwrites, which a script that keeps its outputs must not notice.
GRAPH_MODES = ("reduce-overhead", "max-autotune")
DYNAMO, AOT = "torch._dynamo.config", "torch._functorch.config"
# Else a backward is compiled when the script runs it, where nothing of ours is around it to fall back.
WITH_ITS_BACKWARD = (AOT, "force_non_lazy_backward_lowering")
# A compilation that fails leaves its part uncompiled.
NEVER_RAISING = (DYNAMO, "suppress_errors")
# Compiled before anybody knows whether the graph is to be retained, a backward must not reuse the memory of what was saved for it.
DONATED = "donated_buffer"


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
        self._donated = None  # the module of that setting, once it is off
        self._set = []  # (module, name) of the compiler's settings that are on while a call goes on
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
        return None

    def enter(self, model, args, kwargs):
        """A first call is on probation; should a later one need a compilation that fails, that part stays uncompiled.

        Either also compiles the backward, so that one which fails does so here.
        """
        self._keep_saved()
        self._turn_on(*WITH_ITS_BACKWARD)
        if model in self._called:
            self._turn_on(*NEVER_RAISING)
        if self._graphs:
            self.torch.compiler.cudagraph_mark_step_begin()
        return args, kwargs

    def _turn_on(self, module, name):
        config = sys.modules.get(module)
        if config is not None and not getattr(config, name, True):  # a version without it
            setattr(config, name, True)
            self._set.append((config, name))

    def _keep_saved(self):
        config = sys.modules.get(AOT)
        if self._donated is None and config is not None and getattr(config, DONATED, False):
            self._donated = config
            config.donated_buffer = False  # asked for at every backward, too
            self.on_undo(self._donate)

    def _donate(self):
        self._donated.donated_buffer = True

    def leave(self, model):
        """The compiler's settings as they were."""
        while self._set:
            config, name = self._set.pop()
            setattr(config, name, False)

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


def _copied(tensor):
    return tensor.clone() if tensor.is_cuda else tensor


PATCH = Compile
