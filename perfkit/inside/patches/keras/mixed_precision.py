"""mixed-precision: Keras' layers compute in 16 bits and keep their weights in float32 (``keras.config.set_dtype_policy``)."""

import functools

from .base import KerasPatch

DTYPES = ("bfloat16", "float16")


class MixedPrecision(KerasPatch):
    """The policy of every layer that is made without one of its own. What the script sets itself stays."""

    name = "mixed-precision"
    idle = "no layer was made that takes the policy of Keras' configuration"

    def place(self):
        """Set the policy before any layer is made."""
        dtype = str(self.parameters.get("dtype") or DTYPES[0])
        if dtype not in DTYPES:
            raise ValueError("dtype is %s, not one of %s" % (dtype, ", ".join(DTYPES)))
        self._policy = "mixed_" + dtype
        config = self.framework.config
        before = config.dtype_policy()
        if before.name != "float32":
            self.not_applicable("Keras is configured for %s" % before.name)
            return
        config.set_dtype_policy(self._policy)
        self.on_undo(lambda: config.set_dtype_policy(before) if config.dtype_policy().name == self._policy else None)
        self.watch.when("keras.src.layers.layer", self._watch_layers)

    def _watch_layers(self, module, *_):
        self.replace(module.Layer, "__init__", self._make)

    def _make(self, original):
        @functools.wraps(original)
        def __init__(layer, *args, **kwargs):
            original(layer, *args, **kwargs)
            if self.active:
                try:
                    self._judge(layer)
                except Exception as error:
                    self.failed(error)

        return __init__

    def _judge(self, layer):
        now = self.framework.config.dtype_policy().name
        if layer.dtype_policy.name == self._policy:
            self.applied(policy=self._policy, was="float32")
        elif now != self._policy:
            self.not_applicable("the script sets the policy %s" % now)


PATCH = MixedPrecision
