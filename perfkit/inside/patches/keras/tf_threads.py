"""tf-threads: how many threads share the work of one TensorFlow operation."""

import functools

from ...probes._tensorflow_facts import intra_op_threads
from ..processors import usable
from .base import KerasPatch

SETTING = "set_intra_op_parallelism_threads"


class TfThreads(KerasPatch):
    """The number holds from the import of TensorFlow on, also when the script sets another before it computes."""

    name = "tf-threads"

    def place(self):
        """Set it, and take over the script's own setting."""
        self._threading = self.framework.config.threading
        self._number = int(self.parameters.get("num_threads") or usable())
        self._wish = intra_op_threads(self.framework)
        getattr(self._threading, SETTING)(self._number)
        self.replace(self._threading, SETTING, self._make)

    def _make(self, original):
        @functools.wraps(original)
        def set_intra_op_parallelism_threads(num_threads):
            if not self.active:
                return original(num_threads)
            self._wish = num_threads
            return original(self._number)

        return set_intra_op_parallelism_threads

    def work_began(self):
        """What the script wants is known by now. 0 means as many as there are cores."""
        got = self._threading.get_intra_op_parallelism_threads()
        if got == (self._wish or usable()):
            self.not_applicable("it computes with %d threads already" % got)
        else:
            self.applied(num_threads=got, was=self._wish)


PATCH = TfThreads
