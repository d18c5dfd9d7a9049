"""attention-backend: which implementation ``scaled_dot_product_attention`` takes.

Parameter: ``backend`` (flash, the default, efficient, cudnn or math). A model's first calls are only looked into: which
implementation it takes by itself, and whether it would take the wanted one. It acts on models for which these differ. The plain
implementation (math) stays allowed beside it, for inputs that the wanted one cannot compute.
"""

import functools
import sys
import weakref

from ..replace import replace
from .root_calls import RootPatch

# Backend -> (its switch in torch.backends.cuda, which the CPU heeds too; its number in torch._fused_sdp_choice).
BACKENDS = {"math": ("math", 0), "flash": ("flash", 1), "efficient": ("mem_efficient", 2), "cudnn": ("cudnn", 3)}
NAMES = {number: name for name, (_, number) in BACKENDS.items()}
FUNCTION = "scaled_dot_product_attention"
# An evaluation may take another implementation than training does (dropout), and may come first.
LOOKS = 8


class AttentionBackend(RootPatch):
    """The switches for the time of each call; backward goes the way that forward went."""

    name = "attention-backend"
    switchable = True
    idle = "no model was called often enough to see which attention it takes"

    def place(self):
        """Go around the model's calls."""
        self._wanted = str(self.parameters.get("backend") or "flash")
        if self._wanted not in BACKENDS:
            raise ValueError("backend is %s, not one of %s" % (self._wanted, ", ".join(BACKENDS)))
        self._instead_of = weakref.WeakKeyDictionary()  # models to act on -> what they take by themselves
        self._looks_left = weakref.WeakKeyDictionary()
        self._undo_look = []
        self._before = None  # the switches as the script had them, while a call goes on
        self.on_undo(lambda: self.leave(None))
        super().place()

    def suits(self, model, args, kwargs):
        """Anything that can be looked into."""
        for each in model.modules():
            if hasattr(each, "_orig_mod") or getattr(each, "_compiled_call_impl", None) is not None:
                return "the model is compiled: which attention it takes cannot be seen"
        self._looks_left[model] = LOOKS
        return None

    def enter(self, model, args, kwargs):
        """Set the switches, or look."""
        instead_of = self._instead_of.get(model)
        if instead_of is not None:
            self._before = self._switch(self._switches())
            self.applied(backend=self._wanted, instead_of=instead_of)
        elif self._looks_left[model]:
            self._look(model)
        return args, kwargs

    def leave(self, model):
        """The switches and the function as they were."""
        if self._before is not None:
            self._switch(self._before)
            self._before = None
        while self._undo_look:
            self._undo_look.pop()()

    def result(self, model, output):
        """One look less."""
        left = self._looks_left[model]
        if left and model not in self._instead_of:
            self._looks_left[model] = left - 1
            if left == 1:
                self.not_applicable("the model calls no %s that would take %s instead" % (FUNCTION, self._wanted))
        return output

    # -- looking ---------------------------------------------------------------------------------------------------

    def _look(self, model):
        """Replace the function, for one call, where this model's code may have it from."""
        functional = self.torch.nn.functional
        original = getattr(functional, FUNCTION)
        modules = {type(each).__module__ for each in model.modules()}
        for module in [functional] + [sys.modules.get(name) for name in sorted(modules)]:
            for name, value in list(vars(module).items()) if module is not None else ():
                if value is original:
                    self._undo_look.append(replace(module, name, functools.partial(self._seeing, model)))

    def _seeing(self, model, original):
        @functools.wraps(original)
        def scaled_dot_product_attention(*args, **kwargs):
            try:
                self._compare(model, args, kwargs)
            except Exception as error:
                self.failed(error)
            return original(*args, **kwargs)

        return scaled_dot_product_attention

    def _compare(self, model, args, kwargs):
        by_itself = self.torch._fused_sdp_choice(*args, **kwargs)
        before = self._switch(self._switches())
        try:
            with_ours = self.torch._fused_sdp_choice(*args, **kwargs)
        finally:
            self._switch(before)
        if with_ours != by_itself and NAMES.get(with_ours) == self._wanted:
            self._instead_of[model] = NAMES.get(by_itself, str(by_itself))

    # -- the switches ----------------------------------------------------------------------------------------------

    def _switches(self):
        return {switch: name in ("math", self._wanted) for name, (switch, _) in BACKENDS.items()}

    def _switch(self, wanted):
        """Set the switches; returns what they were. One that this version of torch has not is left out."""
        cuda, before = self.torch.backends.cuda, {}
        for switch, value in wanted.items():
            enabled = getattr(cuda, switch + "_sdp_enabled", None)
            if enabled is not None:
                before[switch] = enabled()
                getattr(cuda, "enable_%s_sdp" % switch)(value)
        return before


PATCH = AttentionBackend
