"""floatx: float32 where the script has Keras compute in float64 (``keras.config.set_floatx("float64")``)."""

import functools

from .base import KerasPatch

# Where a script may find the function.
MODULES = ("keras.config", "keras.backend", "keras._tf_keras.keras.config", "keras._tf_keras.keras.backend")
WIDE, NARROW = "float64", "float32"


class Floatx(KerasPatch):
    """Arrays follow: Keras casts what it is given to its floatx."""

    name = "floatx"
    idle = "the script leaves floatx at float32"

    def place(self):
        """Take over the setting, also one that comes from Keras' own configuration."""
        config = self.framework.config
        if config.floatx() == WIDE:
            config.set_floatx(NARROW)
            self.on_undo(lambda: config.set_floatx(WIDE))
            self.applied(floatx=NARROW, was=WIDE)
        for name in MODULES:
            self.watch.when(name, lambda module, *_: self.replace(module, "set_floatx", self._make))

    def _make(self, original):
        @functools.wraps(original)
        def set_floatx(value):
            if self.active and value == WIDE:
                self.applied(floatx=NARROW, was=WIDE)
                return original(NARROW)
            return original(value)

        return set_floatx


PATCH = Floatx
