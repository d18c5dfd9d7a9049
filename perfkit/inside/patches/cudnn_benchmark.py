"""cudnn-benchmark: cuDNN tries its algorithms for each shape of a convolution and keeps the fastest."""

import sys

from .base import Patch


class CudnnBenchmark(Patch):
    """Switched on after the first step: only then it is known whether there are convolutions on a GPU."""

    name = "cudnn-benchmark"
    switchable = True
    idle = "no step was taken"

    def place(self):
        """Nothing yet."""
        self._was = None
        self.on_undo(self._restore)

    def work_began(self):
        """Switch it on where it can act."""
        reason = self._why_not()
        if reason:
            self.not_applicable(reason)
        else:
            self.on()
            self.applied()

    def _why_not(self):
        torch = self.torch
        if "torch.cuda" not in sys.modules or not torch.cuda.is_initialized():
            return "it does not compute with CUDA"
        if torch.backends.cudnn.benchmark:
            return "it is switched on already"
        if torch.backends.cudnn.deterministic or torch.are_deterministic_algorithms_enabled():
            return "the script asks for deterministic algorithms"
        if not any(self._has_convolution(model) for model in self.session.roots.models.alive()):
            return "no model has a convolution"
        return None

    def _has_convolution(self, model):
        convolution = self.torch.nn.modules.conv._ConvNd
        return any(isinstance(module, convolution) for module in model.modules())

    def on(self):
        """Switch it on."""
        self.active = True
        cudnn = self.torch.backends.cudnn
        self._was, cudnn.benchmark = cudnn.benchmark, True

    def off(self):
        """As the script had it."""
        self.active = False
        self._restore()

    def _restore(self):
        if self._was is not None:
            self.torch.backends.cudnn.benchmark, self._was = self._was, None


PATCH = CudnnBenchmark
