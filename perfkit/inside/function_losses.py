"""The losses of functions that do a whole step: what a train function of Keras tells of it, or the scalar that a tf.function returns.

Keras itself tells the mean over all samples since the epoch began. What each step added to it is worked out at the end: means that grow out of
one another cannot be compared as if each were drawn by itself.
"""

from .losses import Losses


class FunctionLosses(Losses):
    """What such functions returned, and what the gradients of eager steps were taken of. The probes give it."""

    def _forget(self):
        super()._forget()
        self._kept = []
        self._begins = set()  # positions at which means begin anew
        self._means = False

    def arm(self, watch):
        """From now on the probes find it in the session."""
        self._session.losses = self

    def note(self, result, samples=-1, owner=None):
        """Keep the loss in what a step returned, if there is one; *owner* is the model that the step is of."""
        if self.is_full:
            return
        loss = _loss(result)
        if loss is not None:
            self._means = self._means or _tells_means(owner)
            self._kept.append(loss)
            self.counted(samples)

    def epoch_begins(self):
        """Means begin anew with the next loss."""
        self._begins.add(len(self._kept))

    def _values(self):
        values = [float(loss) for loss in self._kept]
        return self._of_steps(values) if self._means else values

    def _of_steps(self, means):
        """What each step added: samples are the weights where they are known."""
        total = weight = 0.0
        found = []
        seen = 0
        for position, (mean, samples) in enumerate(zip(means, self._samples)):
            if position in self._begins:
                total = weight = 0.0
            own = samples - seen if self._seen else 1
            seen = samples
            if own <= 0:
                found.append(mean)
                continue
            weight += own
            found.append((mean * weight - total) / own)
            total = mean * weight
        return found


def _tells_means(owner):
    """Whether the train step of *owner* is Keras' own: others tell what they please."""
    return str(getattr(getattr(type(owner), "train_step", None), "__module__", "")).partition(".")[0] == "keras"


def _loss(result):
    if isinstance(result, (list, tuple)) and result:  # (logs, state) on JAX
        result = result[0]
    if isinstance(result, dict):
        result = result.get("loss")
    if isinstance(result, float):
        return result
    kind = str(getattr(getattr(result, "dtype", None), "name", getattr(result, "dtype", "")))
    return result if "float" in kind and tuple(getattr(result, "shape", (0,))) == () else None
