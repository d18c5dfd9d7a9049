"""zero-grad-none: ``zero_grad(set_to_none=False)`` drops the gradients, as torch does by itself since 2.0.

Filling them with zeros writes them all, and the next backward reads and adds where it could write. A parameter that gets no
gradient is then left alone by the optimizer, where zeros would still have moved it by momentum and weight decay.
"""

import functools

from .base import Patch


class ZeroGradNone(Patch):
    """Acts on optimizers and modules whose ``zero_grad`` is torch's own."""

    name = "zero-grad-none"
    switchable = True
    idle = "nothing asked zero_grad to fill gradients with zeros"

    def place(self):
        """Take over both ``zero_grad``."""
        self.watch.when(
            "torch.optim.optimizer", lambda module, *_: self.replace(module.Optimizer, "zero_grad", self._make)
        )
        self.replace(self.torch.nn.Module, "zero_grad", self._make)

    def _make(self, original):
        is_compiling = self.torch.compiler.is_compiling

        @functools.wraps(original)
        def zero_grad(self_, set_to_none=True):
            if not set_to_none and self.active and not is_compiling() and self._may_drop(self_):
                self.applied()
                set_to_none = True
            return original(self_, set_to_none)

        return zero_grad

    def _may_drop(self, owner):
        if getattr(owner, "defaults", {}).get("capturable"):
            self.not_applicable("an optimizer made for CUDA graphs needs its gradients where they are")
            return False
        return True


PATCH = ZeroGradNone
