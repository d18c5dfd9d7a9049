"""tf-data: ``map`` in parallel, and batches prefetched, in tf.data pipelines that do neither.

The order of the elements stays. What a mapped function draws at random it draws in another order.
"""

import functools
import sys

from ...probes._tensorflow_facts import pipeline
from .base import KerasPatch, is_the_scripts

DATASETS = "tensorflow.python.data.ops.dataset_ops"
# Stages that do nothing: the one below is asked.
PASSIVE = ("Options", "Model")


class TfData(KerasPatch):
    """Of pipelines that the script makes and iterates itself, or gives to Keras."""

    name = "tf-data"
    idle = "no tf.data pipeline was iterated"

    def place(self):
        """Take over ``map``, and iteration."""
        self.watch.when(DATASETS, self._watch_datasets)

    def _watch_datasets(self, module, *_):
        self._automatic = module.AUTOTUNE
        if self.parameters.get("parallel", True):
            self.replace(module.DatasetV2, "map", self._make_map)
        if self.parameters.get("prefetch", True):
            self.replace(module.DatasetV2, "__iter__", self._make_iter)

    def _make_map(self, original):
        @functools.wraps(original)
        def map(dataset, map_func, num_parallel_calls=None, *args, **kwargs):
            if num_parallel_calls is None and self._acts() and is_the_scripts(sys._getframe(1)):
                num_parallel_calls = self._automatic
                self.applied(num_parallel_calls="AUTOTUNE")
            return original(dataset, map_func, num_parallel_calls, *args, **kwargs)

        return map

    def _make_iter(self, original):
        @functools.wraps(original)
        def __iter__(dataset):
            if self._acts():
                try:
                    dataset = self._prefetched(dataset)
                except Exception as error:
                    self.failed(error)
            return original(dataset)

        return __iter__

    def _acts(self):
        return self.active and self.framework.executing_eagerly()

    def _prefetched(self, dataset):
        stages = [stage["stage"] for stage in pipeline(dataset)["stages"] if stage["stage"] not in PASSIVE]
        if stages[:1] == ["Prefetch"]:
            self.not_applicable("its batches are prefetched already")
            return dataset
        self.applied(prefetch="AUTOTUNE")
        return dataset.prefetch(self._automatic)


PATCH = TfData
