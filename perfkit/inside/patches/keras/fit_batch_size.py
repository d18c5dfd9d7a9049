"""fit-batch-size: larger batches in Keras' ``fit``, and from tf.data pipelines that make them by a number.

The learning rate stays what the script says, as with the fix batch-size. The evaluation keeps its batches where ``fit`` makes them.
"""

import functools
import sys

from ...probes.functions import rows_of
from ..larger_batch import NOTE, wanted
from .base import KerasPatch, is_the_scripts

DEFAULT = 32  # Keras', of arrays
TRAINERS = {
    "keras.src.backend.tensorflow.trainer": "TensorFlowTrainer",
    "keras.src.backend.torch.trainer": "TorchTrainer",
    "keras.src.backend.jax.trainer": "JAXTrainer",
}


class FitBatchSize(KerasPatch):
    """Changed where the script says how large its batches are."""

    name = "fit-batch-size"
    idle = "no Keras model was fitted"

    def place(self):
        """Take over ``fit``, and ``batch`` of tf.data."""
        for module, owner in TRAINERS.items():
            self.take_over(module, owner, "fit", self._change)
        self.watch.when("tensorflow.python.data.ops.dataset_ops", self._watch_datasets)

    def _change(self, arguments):
        x = arguments.get("x")
        samples = rows_of(x)
        if samples < 0:  # no arrays
            if not self.count:
                self.not_applicable("%s makes its batches itself" % type(x).__name__)
            return
        was = int(arguments.get("batch_size") or DEFAULT)
        size = wanted(self.parameters, was)
        if size <= was:
            self.not_applicable("its batches hold %d already" % was)
        elif samples < size:
            self.not_applicable("there are %d samples only" % samples)
        else:
            arguments["batch_size"] = size
            if not arguments.get("validation_batch_size"):
                arguments["validation_batch_size"] = was
            self.applied(batch_size=size, was=was, note=NOTE)

    def _watch_datasets(self, module, *_):
        self.replace(module.DatasetV2, "batch", self._make)

    def _make(self, original):
        @functools.wraps(original)
        def batch(dataset, batch_size, *args, **kwargs):
            if self.active and sys.modules["tensorflow"].executing_eagerly() and is_the_scripts(sys._getframe(1)):
                try:
                    batch_size = self._of_dataset(dataset, batch_size)
                except Exception as error:
                    self.failed(error)
            return original(dataset, batch_size, *args, **kwargs)

        return batch

    def _of_dataset(self, dataset, batch_size):
        was = int(batch_size)
        size, samples = wanted(self.parameters, was), int(dataset.cardinality())
        if size <= was or 0 <= samples < size:
            return batch_size
        self.applied(batch_size=size, was=was, note=NOTE)
        return size


PATCH = FitBatchSize
