"""channels-last: convolutions read and write their pictures with the channels innermost.

The weights of a model that has two-dimensional convolutions are laid out anew before its first call, its pictures at each.
"""

import weakref

from .containers import map_tensors
from .converted import Converted
from .root_calls import RootPatch

# Their reducers keep gradients in buffers that were laid out when they were made.
WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel")


class ChannelsLast(RootPatch):
    """Weights once, inputs at every call."""

    name = "channels-last"
    switchable = True
    order = 10

    def place(self):
        """Go around the model's calls, and let optimizers follow the weights."""
        self._models = []  # whose weights are laid out anew, for `on` after `off`
        self._converted = Converted(self, self._laid_out)
        self.on_undo(self._converted.revert)
        self._converted.watch_optimizers()
        super().place()

    def suits(self, model, args, kwargs):
        """A model with convolutions over pictures, in the usual layout."""
        torch = self.torch
        convolutions = [
            each for each in model.modules() if isinstance(each, (torch.nn.Conv2d, torch.nn.ConvTranspose2d))
        ]
        if not convolutions:
            return "the model has no two-dimensional convolutions"
        if any(type(each).__name__ in WRAPPERS for each in model.modules()):
            return "the model is wrapped for several processes, which has laid its gradients out already"
        if not any(_differs_by_layout(torch, each.weight) for each in convolutions):
            return "the weights are in channels-last layout already, or of a size that has only one layout"
        self._convert(model)
        return None

    def enter(self, model, args, kwargs):
        """Lay the call's pictures out."""
        self.applied()
        return map_tensors(self.torch, args, self._laid_out), map_tensors(self.torch, kwargs, self._laid_out)

    def on(self):
        """Lay the weights out again."""
        super().on()
        for model in [reference() for reference in self._models]:
            if model is not None:
                self._converted.convert(model)

    def off(self):
        """The weights back in the usual layout."""
        super().off()
        self._converted.revert()

    def _convert(self, model):
        self._models.append(weakref.ref(model))
        self._converted.convert(model)

    def _laid_out(self, tensor):
        if tensor.dim() != 4 or not tensor.is_floating_point() or tensor.layout is not self.torch.strided:
            return tensor
        return tensor.contiguous(memory_format=self.torch.channels_last)


def _differs_by_layout(torch, weight):
    return not weight.is_contiguous(memory_format=torch.channels_last)


PATCH = ChannelsLast
