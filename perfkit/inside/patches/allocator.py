"""allocator: memory that was freed is kept for the next step instead of being given back and asked for anew.

On the host: glibc returns large blocks to the system at once, so that each step's tensors are new pages that the kernel
must fill with zeros first. On CUDA: segments that can grow, so that batches of changing size do not split the cache.
"""

import os
import platform
import sys

from .base import Patch

CUDA_SETTINGS = "expandable_segments:True"
CUDA_VARIABLES = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")
# glibc's malloc.h
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4
KEEP = ((M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, -1))  # nothing from mmap, nothing given back
# glibc adapts two of these while the program runs and stops once they were set: the ends that it adapts to.
BACK = ((M_MMAP_THRESHOLD, 32 << 20), (M_TRIM_THRESHOLD, 64 << 20), (M_MMAP_MAX, 65536))


class Allocator(Patch):
    """``host="keep"`` and ``cuda=SETTINGS``; both unless one is asked for alone."""

    name = "allocator"

    def place(self):
        """Set up the host's at once and CUDA's before its first use."""
        given = self.parameters or {"host": "keep", "cuda": CUDA_SETTINGS}
        if "host" in given:
            self._keep_on_host()
        if "cuda" in given:
            self._set_up_cuda(str(given["cuda"]))

    def _keep_on_host(self):
        reason = _not_glibc()
        if reason:
            self.not_applicable(reason)
            return
        import ctypes  # the framework has already imported it

        mallopt = ctypes.CDLL(None).mallopt
        self.on_undo(lambda: _tell(mallopt, BACK))
        if _tell(mallopt, KEEP):
            self.applied(host="keep")
        else:
            self.not_applicable("malloc refuses the settings")

    def _set_up_cuda(self, settings):
        given = next((name for name in CUDA_VARIABLES if os.environ.get(name)), None)
        torch = self.torch
        if given:
            self.not_applicable("%s is set already" % given)
        elif torch.version.cuda is None:
            self.not_applicable("this torch is built without CUDA")
        elif "torch.cuda" not in sys.modules or torch.cuda.is_initialized():
            self.not_applicable("CUDA was in use before")
        else:
            torch.cuda._lazy_call(lambda: self._cuda_begins(settings))  # called as CUDA is initialised

    def _cuda_begins(self, settings):
        if not self.active:
            return
        try:
            self.torch.cuda.memory._set_allocator_settings(settings)
            self.applied(cuda=settings)
        except Exception as error:
            self.not_applicable("CUDA's allocator refuses %s: %s" % (settings, error))


def _tell(mallopt, settings):
    """Whether malloc took them all."""
    taken = [mallopt(name, value) for name, value in settings]
    return all(taken)


def _not_glibc():
    """Why the host's allocator cannot be told, None when it can."""
    if not sys.platform.startswith("linux") or platform.libc_ver()[0] != "glibc":
        return "the host's allocator is not glibc's"
    preloaded = os.path.basename(os.environ.get("LD_PRELOAD", ""))
    if "malloc" in preloaded:
        return "%s is preloaded" % preloaded
    if "glibc.malloc" in os.environ.get("GLIBC_TUNABLES", "") or any(name.startswith("MALLOC_") for name in os.environ):
        return "the environment sets up malloc already"
    return None


PATCH = Allocator
