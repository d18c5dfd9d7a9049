"""gc-freeze: what is alive after the first step is left out of Python's garbage collections (``gc.freeze``)."""

import gc

from .base import Patch


class GcFreeze(Patch):
    """Data, model and imported modules live to the end, and every full collection walks them all for nothing."""

    name = "gc-freeze"
    switchable = True
    in_every_step = False  # full collections are rare, and to switch it on is one
    idle = "no step was taken"

    def place(self):
        """Nothing yet: what is to be frozen is made before the first step."""
        self._frozen = False
        self.on_undo(self._thaw)

    def work_began(self):
        """Freeze, unless the script has seen to it."""
        if gc.get_freeze_count() and not self._frozen:
            self.not_applicable("the script freezes its objects already")
        elif not gc.isenabled():
            self.not_applicable("the script has switched the collector off")
        else:
            if not self._frozen:
                self.on()
            self.applied(objects=gc.get_freeze_count())

    def on(self):
        """Freeze what is alive now."""
        self.active = self._frozen = True
        gc.collect()
        gc.freeze()

    def off(self):
        """Back among what is collected."""
        self.active = False
        self._thaw()

    def _thaw(self):
        if self._frozen:
            self._frozen = False
            gc.unfreeze()


PATCH = GcFreeze
