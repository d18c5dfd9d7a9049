"""tf32: float32 matrix products and convolutions of a GPU in TF32."""

from .matmul_precision import MatmulPrecision


class TF32(MatmulPrecision):
    """Both switches: matrix products by their precision "high", convolutions by cuDNN's own."""

    name = "tf32"

    def place(self):
        """CUDA only."""
        self._convolutions = None  # cuDNN's switch as the script had it
        if not self.torch.cuda.is_available():
            self.not_applicable("there is no CUDA device")
            self.active = False
            return
        super().place()

    def _device_obstacle(self, device):
        if device.type != "cuda":
            return "the model is on %s" % device.type
        return super()._device_obstacle(device)

    def _set(self):
        super()._set()
        cudnn = self.torch.backends.cudnn
        if self._convolutions is None:
            self._convolutions = cudnn.allow_tf32
        cudnn.allow_tf32 = True

    def _restore(self):
        super()._restore()
        if self._convolutions is not None:
            self.torch.backends.cudnn.allow_tf32 = self._convolutions
            self._convolutions = None


PATCH = TF32
