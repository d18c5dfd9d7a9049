"""float32: a float64 model computes in 32 bits.

Its parameters are converted before its first call, its inputs at each; what it returns is float64 again, so that the script's
loss goes on with the targets it has. What the model makes itself while it computes is made in float32 (the default type is
that for the time of the call).
"""

from .containers import map_tensors
from .converted import Converted
from .root_calls import RootPatch

WRAPPERS = ("DistributedDataParallel", "FullyShardedDataParallel")


class Float32(RootPatch):
    """Parameters once, inputs and outputs at every call."""

    name = "float32"
    order = 0

    def place(self):
        """Go around the model's calls, and let optimizers follow the parameters."""
        self._default = None
        self._converted = Converted(self, self._narrowed)
        self.on_undo(self._converted.revert)
        self._converted.watch_optimizers()
        super().place()

    def suits(self, model, args, kwargs):
        """A model with parameters in float64."""
        dtypes = {parameter.dtype for parameter in model.parameters() if parameter.is_floating_point()}
        if self.torch.float64 not in dtypes:
            return "the model has no float64 parameters"
        if any(type(each).__name__ in WRAPPERS for each in model.modules()):
            return "the model is wrapped for several processes, which has made buffers for float64 gradients already"
        self._converted.convert(model)
        return None

    def enter(self, model, args, kwargs):
        """Inputs in float32."""
        torch = self.torch
        self.applied()
        if torch.get_default_dtype() is torch.float64:
            self._default = torch.float64
            torch.set_default_dtype(torch.float32)
        return map_tensors(torch, args, self._narrowed), map_tensors(torch, kwargs, self._narrowed)

    def leave(self, model):
        """The default type as it was."""
        if self._default is not None:
            self.torch.set_default_dtype(self._default)
            self._default = None

    def result(self, model, output):
        """Outputs in float64, as the script knows them."""
        return map_tensors(self.torch, output, self._widened)

    def _narrowed(self, tensor):
        return tensor.float() if tensor.dtype is self.torch.float64 else tensor

    def _widened(self, tensor):
        return tensor.double() if tensor.dtype is self.torch.float32 else tensor


PATCH = Float32
