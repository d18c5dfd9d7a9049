"""The losses of functions that do a whole step: what a train function of Keras tells of it, or the scalar that a tf.function returns.

Keras tells the mean since the epoch began: at equal samples that is the same quantity with a fix and without.
"""

from .losses import Losses


class FunctionLosses(Losses):
    """What such functions returned, and what the gradients of eager steps were taken of. The probes give it."""

    def _forget(self):
        super()._forget()
        self._kept = []

    def arm(self, watch):
        """From now on the probes find it in the session."""
        self._session.losses = self

    def note(self, result, samples=-1):
        """Keep the loss in what a step returned, if there is one."""
        if self.is_full:
            return
        loss = _loss(result)
        if loss is not None:
            self._kept.append(loss)
            self.counted(samples)

    def _values(self):
        return [float(loss) for loss in self._kept]


def _loss(result):
    if isinstance(result, (list, tuple)) and result:  # (logs, state) on JAX
        result = result[0]
    if isinstance(result, dict):
        result = result.get("loss")
    if isinstance(result, float):
        return result
    kind = str(getattr(getattr(result, "dtype", None), "name", getattr(result, "dtype", "")))
    return result if "float" in kind and tuple(getattr(result, "shape", (0,))) == () else None
