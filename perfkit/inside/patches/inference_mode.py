"""inference-mode: a model that is evaluated under ``no_grad`` is called under ``inference_mode``, which keeps less account.

Tensors made there can never meet gradients, so none gets out: outputs are handed over as copies, and what the model keeps
for itself (a table of positions, say) becomes ordinary before it is trained on.
"""

from threading import local

from .containers import map_tensors
from .root_calls import LATER, RootPatch


class InferenceMode(RootPatch):
    """Around calls of a model in evaluation mode, made without gradients."""

    name = "inference-mode"
    switchable = True
    in_every_step = False  # it acts in evaluations, which lie between the steps of a training
    idle = "no model in evaluation mode was called under no_grad"

    def place(self):
        """Go around the calls."""
        self._open = local()  # .stack: the context of each call of this thread, None where there was nothing to do
        self._kept_by = []  # models that may keep tensors made here
        super().place()
        self.on_undo(self._make_ordinary)

    def off(self):
        """The script's own way for a while: what it trains on is ordinary, as nobody looks after it now."""
        super().off()
        self._make_ordinary()

    def suits(self, model, args, kwargs):
        """Every model does once it is evaluated under ``no_grad``; until then its calls say nothing."""
        if self.torch.is_inference_mode_enabled():
            return "the script uses inference_mode already"
        return LATER if self.torch.is_grad_enabled() or model.training else None

    def enter(self, model, args, kwargs):
        """Into inference mode, if the call is an evaluation."""
        torch = self.torch
        stack = self._stack()
        context = None
        if torch.is_grad_enabled():
            self._make_ordinary()
        elif not model.training and not torch.is_inference_mode_enabled():
            context = torch.inference_mode()
            context.__enter__()
        stack.append(context)
        return args, kwargs

    def leave(self, model):
        """Out of it."""
        context = self._stack().pop()
        if context is not None:
            context.__exit__(None, None, None)
            self.applied()
            if not any(kept is model for kept in self._kept_by):
                self._kept_by.append(model)

    def result(self, model, output):
        """Tensors that may be used as any other."""
        return map_tensors(self.torch, output, _ordinary)

    def _stack(self):
        if not hasattr(self._open, "stack"):
            self._open.stack = []
        return self._open.stack

    def _make_ordinary(self):
        """Before gradients are taken again, or the fix goes: no module keeps a tensor made in inference mode."""
        while self._kept_by:
            for module in self._kept_by.pop().modules():
                for holder in (vars(module), module._buffers):
                    for name, value in list(holder.items()):
                        made = map_tensors(self.torch, value, _ordinary) if _may_hold(value) else value
                        if made is not value:
                            holder[name] = made


def _may_hold(value):
    return hasattr(value, "is_inference") or type(value) in (list, tuple)


def _ordinary(tensor):
    return tensor.clone() if tensor.is_inference() else tensor


PATCH = InferenceMode
