"""A tf.data pipeline, or a Python data set or generator of Keras, does not keep up with the step.

Speaks when steps wait for their batch for at least 5 % of their time (traced ones on TensorFlow, which fetches inside its graph; on torch and JAX the
marks tell), and making batches beside the step, or in more workers, would give that much back. Four cures, by what feeds the step:

- *a PyDataset without workers*: one thread makes its batches, beside a step that holds Python's lock as well. ``workers`` and
  ``use_multiprocessing=True`` make them in processes.
- *a generator*: it can only be asked by one thread. A ``PyDataset`` can be made in several processes; tf.data's own operations need no Python at all.
- *a pipeline whose ``map`` is not parallel*: ``num_parallel_calls=tf.data.AUTOTUNE``, and ``prefetch`` at its end.
- *a pipeline without ``prefetch``*: a batch is made only when the step asks for it.

How the gain is told. Making a batch takes what the trace says. With ``w`` workers (all cores at the most) the step takes the longest of: what it takes
less its wait; a w-th of making a batch; and both together on all cores. The high end is that; at the low end it takes 15 % more, for contention, or as much
more as a core was measured to lose beside busy ones (``perfkit doctor``). Keras starts a PyDataset's processes anew for each epoch (0.05 to 0.4 s of it)
and brings each batch over from them (up to 2 ms; measured 0.15 s and 1.2 ms, batches of 100 kB).

It is silent on TensorFlow without a trace window, below 5 %, where the low end is below 1 %, and where batches are made by several workers already.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix
from ..what_if import ms, percent, saved, step_seconds

MIN_SHARE = 0.05
SLACK = 1.15
# Of worker processes: starting them, once per epoch; and bringing a batch over from one.
START_S = (0.05, 0.4)
BATCH_S = (0.0, 0.002)
MIN_LOW = 0.01
LINK_DATA = "https://www.tensorflow.org/guide/data_performance"
LINK_PYDATASET = "https://keras.io/api/utils/python_utils/#pydataset-class"
HOW_PREFETCH = "dataset = dataset.prefetch(tf.data.AUTOTUNE)   # last in the pipeline"
HOW_MAP = "dataset = dataset.map(..., num_parallel_calls=tf.data.AUTOTUNE)   # and .prefetch(tf.data.AUTOTUNE) last"
HOW_GENERATOR = "# instead of a generator: a keras.utils.PyDataset with workers={workers}, use_multiprocessing=True"

Row = dict[str, Any]


def check(
    breakdown: list[Row], input_wait: Row, cores: int, batches: Row | None = None, cpu_peaks: Row | None = None
) -> Finding | None:
    """Judge how batches are made."""
    step = step_seconds(breakdown)
    if not step or input_wait["share"] < MIN_SHARE:
        return None
    cure = _cure(batches or {}, input_wait, cores)
    if cure is None:
        return None
    title, how, link, workers, fix = cure
    wait = input_wait["share"] * step
    # As parts of the traced steps, which need not be as long as the others.
    computing, making = step - wait, input_wait["produce_s"] / input_wait["wait_s"] * wait
    after = max(computing, making / workers, (computing + making) / max(cores, 1))
    crowded = ((cpu_peaks or {}).get("crowded") or {"": 1.0}).values()
    processes = _of_processes(batches or {}) if fix is not None and fix.name == "dataset-workers" else (0.0, 0.0)
    least, most = after * min(crowded) + processes[0], after * max(SLACK, *crowded) + processes[1]
    gain = saved(step, [min(step, most), least])
    if gain.low < MIN_LOW or gain.high < MIN_SHARE:
        return None
    return Finding(
        rule="input_pipeline",
        cause="input",
        title=title,
        evidence={
            "waiting for batches": f"{ms(wait)} of the {ms(step)} step ({percent(input_wait['share'])}, in {input_wait['steps']} {'traced' if input_wait['traced'] else 'steady'} steps)",
            "making a batch": ms(making),
            "made": "beside the step" if input_wait["prefetches"] else "when the step asks for it",
        },
        saves=gain,
        confidence="medium",
        fix=fix,
        how=how,
        links=[link],
        takes={"data": 1.0},
    )


def _of_processes(batches: Row) -> tuple[float, float]:
    """Seconds per step that the processes themselves take. Keras starts them anew for each epoch, whose length may not be known."""
    count = max(0, batches.get("num_batches") or 0)
    least, most = (
        (started / count if count else 0.0) + brought for started, brought in zip(START_S, BATCH_S, strict=True)
    )
    return least, most


def _cure(batches: Row, input_wait: Row, cores: int) -> tuple[str, str, str, int, Fix | None] | None:
    """Title, change, link, how many workers there are then, and the fix if it can be applied; None where several make batches already."""
    dataset, adapter = str(batches.get("dataset") or ""), str(batches.get("adapter") or "")
    if adapter.endswith("PyDatasetAdapter"):
        if (batches.get("workers") or 1) > 1 or cores < 2:
            return None
        name = dataset.rpartition(".")[2]
        how = f"{name}(workers={cores}, use_multiprocessing=True)   # PyDataset's own arguments: super().__init__(**kwargs)"
        fix = Fix(name="dataset-workers", parameters={"workers": cores})
        return "Make batches in worker processes", how, LINK_PYDATASET, cores, fix
    if adapter.endswith("GeneratorDataAdapter"):
        if cores < 2:
            return None
        return "Make batches in worker processes", HOW_GENERATOR.format(workers=cores), LINK_PYDATASET, cores, None
    stages = [str(stage.get("stage")) for stage in batches.get("pipeline") or []]
    if any(stage in ("Map", "MapV2") for stage in stages) and cores > 1:
        return "Map the data in parallel", HOW_MAP, LINK_DATA, cores, Fix(name="tf-data")
    if (stages or not adapter) and not input_wait["prefetches"]:
        return "Prefetch batches", HOW_PREFETCH, LINK_DATA, 1, Fix(name="tf-data")
    return None
