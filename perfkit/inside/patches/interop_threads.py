"""interop-threads: how many operators may run beside each other (``torch.set_num_interop_threads``)."""

import functools

from .base import Patch
from .processors import usable


class InteropThreads(Patch):
    """Set once at the import of torch, because torch takes it only once; what the script says later is heard and not done.

    So it can be taken off no more than the number itself: taken off, the script has its function back and torch the number.
    """

    name = "interop-threads"

    def place(self):
        """Set the number, and take over ``torch.set_num_interop_threads``."""
        torch = self.torch
        self.number = int(self.parameters.get("num_threads") or usable())
        self.wish = torch.get_num_interop_threads()
        try:
            torch.set_num_interop_threads(self.number)
        except RuntimeError:  # torch was at work before perfkit came, or the script was first
            self.not_applicable("torch takes the number only before it starts to compute")
            self.disarm()
            return
        self.replace(torch, "set_num_interop_threads", self._make)

    def work_began(self):
        """What the script wants is known by now."""
        if self.wish == self.number:
            self.not_applicable("it has %d inter-op threads already" % self.number)
        else:
            self.applied(num_threads=self.torch.get_num_interop_threads(), was=self.wish)

    def _make(self, original):
        @functools.wraps(original)
        def set_num_interop_threads(number):
            self.wish = number  # a second call of torch's own raises

        return set_num_interop_threads


PATCH = InteropThreads
