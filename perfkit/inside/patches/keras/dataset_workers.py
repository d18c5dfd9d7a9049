"""dataset-workers: the batches of a Keras ``PyDataset`` made in worker processes, in the same order."""

from ..processors import usable
from .base import KerasPatch

ADAPTERS = "keras.src.trainers.data_adapters.py_dataset_adapter"


class DatasetWorkers(KerasPatch):
    """Set on each data set as an epoch's iterator is made for it."""

    name = "dataset-workers"
    idle = "no PyDataset was given to fit, evaluate or predict"

    def place(self):
        """Take over the adapter that asks a data set how its batches are to be made."""
        self._workers = int(self.parameters.get("workers") or usable())
        self._processes = bool(self.parameters.get("use_multiprocessing", True))
        self.take_over(ADAPTERS, "PyDatasetAdapter", "__init__", self._change)

    def _change(self, arguments):
        dataset = arguments["x"]
        was = dataset.workers
        if was >= self._workers and (dataset.use_multiprocessing or not self._processes):
            self.not_applicable("its batches are made by %d workers already" % was)
            return
        dataset.workers, dataset.use_multiprocessing = self._workers, self._processes
        self.applied(workers=self._workers, use_multiprocessing=self._processes, was=was)


PATCH = DatasetWorkers
