"""cudnn-benchmark: cuDNN tries its algorithms for each shape of a convolution and keeps the fastest.

It must be on before a shape is first met: torch remembers by shape which algorithm cuDNN took, tried or guessed, and asks for no
other while the process lives. For the same reason switching it off takes nothing back.
"""

from .root_calls import RootPatch


class CudnnBenchmark(RootPatch):
    """Switched on before the first call of a model that has convolutions on a GPU."""

    name = "cudnn-benchmark"

    def place(self):
        """Nothing before the first model is called: until then the script makes its own settings."""
        self._was = None
        self.on_undo(self._restore)
        super().place()

    def suits(self, model, args, kwargs):
        """A model with convolutions on a GPU, whose algorithms the script leaves to cuDNN."""
        torch = self.torch
        cudnn = torch.backends.cudnn
        if not any(parameter.device.type == "cuda" for parameter in model.parameters()):
            return "it does not compute with CUDA"
        if not any(isinstance(module, torch.nn.modules.conv._ConvNd) for module in model.modules()):
            return "no model has a convolution"
        if cudnn.deterministic or torch.are_deterministic_algorithms_enabled():
            return "the script asks for deterministic algorithms"
        if self._was is None:
            if cudnn.benchmark:
                return "it is switched on already"
            self._was, cudnn.benchmark = False, True
        return None

    def enter(self, model, args, kwargs):
        """It was on for this call."""
        self.applied()
        return args, kwargs

    def _restore(self):
        if self._was is not None:
            self.torch.backends.cudnn.benchmark, self._was = self._was, None


PATCH = CudnnBenchmark
