"""matmul-precision: float32 matrix products computed in fewer bits ("high", the default here, or "medium").

On a GPU that means TF32. On a processor it acts only where its library has products in bfloat16 for float32 operands:
tried out with one small product, since torch takes the setting everywhere.
"""

from .root_calls import RootPatch

LEVELS = ("highest", "high", "medium")
# Relative error of a product of SIZE² numbers: 2e-7 in float32, 3e-4 in TF32, 2e-3 in bfloat16.
SIZE = 256
REDUCED_ERROR = 5e-5
TF32_CAPABILITY = (8, 0)


class MatmulPrecision(RootPatch):
    """``torch.set_float32_matmul_precision``, once a model in float32 is there that gains by it."""

    name = "matmul-precision"
    switchable = True

    def place(self):
        """Nothing before the first model is called: until then the script makes its own settings."""
        self._level = str(self.parameters.get("precision") or "high")
        if self._level not in LEVELS[1:]:
            raise ValueError("precision is %s, not one of %s" % (self._level, ", ".join(LEVELS[1:])))
        self._before = None  # what the script had set
        self.on_undo(self._restore)
        super().place()

    def suits(self, model, args, kwargs):
        """A model with float32 parameters, on a device that computes them in fewer bits when told to."""
        torch = self.torch
        floating = [parameter for parameter in model.parameters() if parameter.is_floating_point()]
        if not any(parameter.dtype is torch.float32 for parameter in floating):
            return "the model has no float32 parameters"
        if self._before is None and LEVELS.index(self._now()) >= LEVELS.index(self._level):
            return "the script sets %s already" % self._now()
        reason = self._device_obstacle(floating[0].device)
        if reason is None:
            self._set()
        return reason

    def _device_obstacle(self, device):
        torch = self.torch
        if device.type == "cuda":
            capability = torch.cuda.get_device_capability(device)
            return None if capability >= TF32_CAPABILITY else "the GPU has no TF32"
        if device.type == "cpu":
            return self._processor_obstacle()
        return "the model is on %s" % device.type

    def _processor_obstacle(self):
        before = self._now()
        self.torch.set_float32_matmul_precision(self._level)
        try:
            reduced = _error_of_product(self.torch) > REDUCED_ERROR
        finally:
            self.torch.set_float32_matmul_precision(before)
        return None if reduced else "this processor computes float32 products in float32 at %s too" % self._level

    def enter(self, model, args, kwargs):
        """The setting holds when the model computes, whatever the script has set since."""
        if self._now() != self._level:
            self._set()
        self.applied(precision=self._level)
        return args, kwargs

    def on(self):
        """Fewer bits from the next model call."""
        super().on()

    def off(self):
        """As the script had it."""
        super().off()
        self._restore()

    def _now(self):
        return self.torch.get_float32_matmul_precision()

    def _set(self):
        if self._before is None:
            self._before = self._now()
        self.torch.set_float32_matmul_precision(self._level)

    def _restore(self):
        if self._before is not None:
            self.torch.set_float32_matmul_precision(self._before)
            self._before = None


def _error_of_product(torch):
    """Relative error of a float32 product with the setting of now, on the processor; the script's random numbers are untouched."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        one, other = (torch.randn(SIZE, SIZE, generator=generator, dtype=torch.float64) for _ in range(2))
        exact, found = one @ other, one.float() @ other.float()
        return float((found - exact).abs().max() / exact.abs().max())


PATCH = MatmulPrecision
