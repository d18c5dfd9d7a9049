"""A tf.data pipeline, or a Python data set or generator of Keras, does not keep up with the step.

Speaks when steps wait for their batch for at least 5 % of their time (traced ones on TensorFlow, which fetches inside its graph; on torch and JAX the
marks tell), and making batches beside the step, or in more workers, would give that much back. Four cures, by what feeds the step:

- *a PyDataset without workers*: one thread makes its batches, beside a step that holds Python's lock as well. ``workers`` and
  ``use_multiprocessing=True`` make them in processes.
- *a generator*: it can only be asked by one thread. A ``PyDataset`` can be made in several processes; tf.data's own operations need no Python at all.
- *a pipeline whose ``map`` is not parallel*: ``num_parallel_calls=tf.data.AUTOTUNE``, and ``prefetch`` at its end.
- *a pipeline without ``prefetch``*: a batch is made only when the step asks for it.

How the gain is told. Making a batch takes what the trace says. With ``w`` workers (all cores at the most) the step takes the longest of: what it takes
less its wait; a w-th of making a batch; and both together on all cores. The high end is that; at the low end it takes 15 % more, for contention, or 5 % more
than a core was measured to lose beside busy ones (``perfkit doctor``). Keras starts a PyDataset's processes anew for each epoch (0.05 to 0.2 s of it) and
brings each batch over from them (up to 2.2 ms of work; measured on two machines: 0.10 and 0.15 s, 2.2 and 1.2 ms, batches of 100 kB). While Python makes
batches in a thread of the same process, a step also waits for Python's lock, within what looks like computing: at the high end both together
are no more than the processor time that was sampled.

It is silent on TensorFlow without a trace window, below 5 %, where the low end is below 1 %, and where batches are made by several workers already.
"""

from __future__ import annotations

from typing import Any

from ...model.records import Finding, Fix
from ..what_if import ms, percent, saved, step_seconds

MIN_SHARE = 0.05
SLACK = 1.15
# The same where contention of the cores was measured: on top of that.
MEASURED_SLACK = 1.05
# Of worker processes: starting them, once per epoch; and bringing a batch over from one.
START_S = (0.05, 0.2)
BATCH_S = (0.0, 0.0022)
MIN_LOW = 0.01
LINK_DATA = "https://www.tensorflow.org/guide/data_performance"
LINK_PYDATASET = "https://keras.io/api/utils/python_utils/#pydataset-class"
HOW_PREFETCH = "dataset = dataset.prefetch(tf.data.AUTOTUNE)   # last in the pipeline"
HOW_MAP = "dataset = dataset.map(..., num_parallel_calls=tf.data.AUTOTUNE)   # and .prefetch(tf.data.AUTOTUNE) last"
HOW_GENERATOR = "# instead of a generator: a keras.utils.PyDataset with workers={workers}, use_multiprocessing=True"

Row = dict[str, Any]


def check(
    breakdown: list[Row],
    input_wait: Row,
    cores: int,
    batches: Row | None = None,
    cpu_peaks: Row | None = None,
    cores_used: float | None = None,
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
    is_process = link == LINK_PYDATASET
    work = computing + making
    busy = min(work, max(making, cores_used * step)) if is_process and cores_used else work
    after = [
        _after(computing - (work - worked), making, workers, cores, brought) * slowed + started
        for worked, brought, slowed, started in zip(
            (busy, work),
            BATCH_S if is_process else (0.0, 0.0),
            _slowed(cpu_peaks or {}),
            _starting(batches or {}) if is_process else (0.0, 0.0),
            strict=True,
        )
    ]
    gain = saved(step, [min(step, seconds) for seconds in after])
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


def _after(computing: float, making: float, workers: int, cores: int, brought: float) -> float:
    """Seconds of a step whose batches are made beside it, and take so long (*brought*) to get there."""
    return max(computing + brought, making / workers, (computing + making + brought) / max(cores, 1))


def _slowed(cpu_peaks: Row) -> tuple[float, float]:
    """By how much cores slow each other down, at best and at worst."""
    crowded = (cpu_peaks.get("crowded") or {}).values()
    return (min(crowded), MEASURED_SLACK * max(crowded)) if crowded else (1.0, SLACK)


def _starting(batches: Row) -> tuple[float, float]:
    """Seconds per step that starting the processes takes. Keras starts them anew for each epoch, whose length may not be known."""
    count = max(0, batches.get("num_batches") or 0)
    return (START_S[0] / count, START_S[1] / count) if count else (0.0, 0.0)


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
