"""Copies of pinned tensors to the GPU that do not wait for their end."""

import functools


def make_uploads_asynchronous(patch):
    """From here on ``tensor.to`` and ``tensor.cuda`` of pinned tensors are ``non_blocking`` while *patch* is active.

    Only from pinned memory to a GPU: PyTorch then keeps the block until the copy has run. Back from the GPU nothing
    changes, where reading too early would give old values.
    """
    tensor = patch.torch.Tensor
    for name in ("to", "cuda"):
        patch.replace(tensor, name, functools.partial(_asynchronous, patch))


def _asynchronous(patch, original):
    is_compiling = patch.torch.compiler.is_compiling

    @functools.wraps(original)
    def copy(self, *args, **kwargs):
        if is_compiling() or not patch.active or "non_blocking" in kwargs or self.is_cuda or not self.is_pinned():
            return original(self, *args, **kwargs)
        try:
            return original(self, *args, non_blocking=True, **kwargs)
        except TypeError:  # the flag was given by position
            return original(self, *args, **kwargs)

    return copy
