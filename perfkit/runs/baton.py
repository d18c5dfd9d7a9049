"""One of several processes that take turns: stops itself, and its children with it, until it is continued.

What its workers and threads prepared meanwhile would be a present, so its whole process group is stopped. Python 3.9, standard library.
"""

import os
import signal
import sys
import time

_POLL_S = 0.0005
_PR_SET_PDEATHSIG = 1  # linux/prctl.h


class Baton:
    """Handed over at the end of each turn. *path* is a file that is there while this process waits."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._launcher = 0

    def hand_over(self) -> bool:
        """Stop until it is our turn again; False when the launcher has died meanwhile, and nobody would continue us ever."""
        if not self._launcher:
            self._launcher = os.getppid()
            _be_continued_when_it_dies()
        with open(self._path, "w"):
            pass
        os.killpg(os.getpgrp(), signal.SIGSTOP)
        while os.path.exists(self._path):  # it is taken away before we are continued
            if os.getppid() != self._launcher:
                os.killpg(os.getpgrp(), signal.SIGCONT)  # the others of the group are still stopped
                return False
            time.sleep(_POLL_S)
        return os.getppid() == self._launcher


def _be_continued_when_it_dies() -> None:
    if sys.platform == "linux":
        import ctypes  # here: it takes a while, and every framework has imported it

        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGCONT, 0, 0, 0)
