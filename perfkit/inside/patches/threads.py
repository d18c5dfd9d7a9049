"""threads: how many threads share the work of one operator (``torch.set_num_threads``)."""

import functools
import sys

from .base import Patch
from .processors import usable


class Threads(Patch):
    """The number holds from the import of torch on, also when the script sets another later."""

    name = "threads"
    switchable = True

    def place(self):
        """Take over ``torch.set_num_threads``."""
        torch = self.torch
        self.number = int(self.parameters.get("num_threads") or usable())
        self.wish = torch.get_num_threads()  # the script's, or torch's own
        self._set = torch.set_num_threads
        self.replace(torch, "set_num_threads", self._make)
        self.on_undo(lambda: self._set(self.wish))
        self.on()

    def on(self):
        """The fix's number."""
        self.active = True
        self._set(self.number)
        if self.began:
            self._judge()

    def off(self):
        """The script's."""
        self.active = False
        self._set(self.wish)

    def work_began(self):
        """What the script wants is known by now."""
        self._judge()

    def _judge(self):
        got = self.torch.get_num_threads()
        if got != self.number:
            self.not_applicable("this build of torch computes with %d threads whatever it is told" % got)
        elif self.wish == self.number:
            self.not_applicable("it computes with %d threads already" % got)
        else:
            self.applied(num_threads=got, was=self.wish)

    def _make(self, original):
        @functools.wraps(original)
        def set_num_threads(number):
            original(number)  # raises what it would raise for a number that cannot be
            if _is_loaders(sys._getframe(1)):
                return
            self.wish = (
                self.torch.get_num_threads()
            )  # also while the fix is off: that is what it is to be compared with
            if self.active:
                original(self.number)
                if self.began:
                    self._judge()

        return set_num_threads


def _is_loaders(frame):
    """A loader worker gives itself one thread: that is not what this is about."""
    return frame.f_globals.get("__name__", "").startswith("torch.utils.data")


PATCH = Threads
