"""autocast: the model computes in 16 bits, what it returns is in 32 again.

Parameters: ``dtype`` (bfloat16, the default, or float16), ``device`` (cuda or cpu; the model's own if it is left out).
The script's loss sees 32 bits as before. float16 needs its gradients scaled: see `gradient_scale`.
"""

from threading import get_ident

from ..probes.observed import autocast_dtype
from .containers import map_tensors
from .gradient_scale import GradientScale
from .root_calls import RootPatch

DTYPES = ("bfloat16", "float16")
ALREADY = "the script computes under autocast already"


class Autocast(RootPatch):
    """torch.autocast around every outermost model call."""

    name = "autocast"
    switchable = True
    order = 20

    def place(self):
        """Go around the model's calls; with float16, around backward and the optimizer's step too."""
        name = str(self.parameters.get("dtype") or DTYPES[0])
        if name not in DTYPES:
            raise ValueError("dtype is %s, not one of %s" % (name, ", ".join(DTYPES)))
        self._dtype = getattr(self.torch, name)
        self._contexts = {}  # thread -> the autocast it is in
        self._scale = GradientScale(self) if name == "float16" else None
        if self._scale is not None:
            self._scale.place()
        super().place()

    def suits(self, model, args, kwargs):
        """A model in float32, on one kind of device."""
        floating = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
        if not floating:
            return "the model has no floating-point parameters"
        others = {parameter.dtype for parameter in floating} - {self.torch.float32}
        if others:
            return "the model has parameters in %s" % ", ".join(sorted(_short(dtype) for dtype in others))
        devices = {parameter.device.type for parameter in floating}
        wanted = self.parameters.get("device") or min(devices)
        if devices != {wanted}:
            return "the model is on %s, not on %s" % (" and ".join(sorted(devices)), wanted)
        if not self._supported(wanted):
            return "the %s does not compute in %s" % (wanted, _short(self._dtype))
        return None

    def _supported(self, device):
        # bfloat16 is emulated, slowly, by GPUs before compute capability 8.0.
        cuda = self.torch.cuda
        return device != "cuda" or self._dtype is not self.torch.bfloat16 or cuda.get_device_capability()[0] >= 8

    def enter(self, model, args, kwargs):
        """Into autocast, unless the script is in it by itself."""
        if autocast_dtype(self.torch) is not None:
            self.withdraw(ALREADY)
            return args, kwargs
        device = next(p.device.type for p in model.parameters() if p.is_floating_point())
        if self._scale is not None:
            args, kwargs = self._scale.enter(model, args, kwargs)
        context = self.torch.autocast(device, dtype=self._dtype)
        context.__enter__()
        self._contexts[get_ident()] = context
        self.applied(device=device, dtype=_short(self._dtype))
        return args, kwargs

    def leave(self, model):
        """Out of it."""
        context = self._contexts.pop(get_ident(), None)
        if context is not None:
            context.__exit__(None, None, None)

    def result(self, model, output):
        """What the model returned in 16 bits, in 32: the loss that the script computes from it stays as exact as it was."""
        if self._scale is not None:
            return self._scale.result(output)
        return map_tensors(self.torch, output, self._widened)

    def on(self):
        """Compute in 16 bits again."""
        super().on()
        if self._scale is not None:
            self._scale.on()

    def off(self):
        """Compute in 32 bits for a while."""
        super().off()
        if self._scale is not None:
            self._scale.off()

    def _widened(self, tensor):
        return tensor.float() if tensor.dtype is self._dtype else tensor

    def finish(self):
        """With float16, how often a step was skipped and where the scale ended."""
        if self._scale is not None:
            self._detail.update(self._scale.detail())
        super().finish()


def _short(dtype):
    return str(dtype).replace("torch.", "")


PATCH = Autocast
