"""The input_pipeline rule, judged by literal evidence."""

import pytest

WAIT = {"wait_s": 0.021, "produce_s": 0.021, "prefetches": True, "share": 0.84, "steps": 5, "traced": True}
PYDATASET = {"adapter": "keras.PyDatasetAdapter", "dataset": "__main__.Made", "workers": 1}
TF = {"adapter": "keras.TFDatasetAdapter", "pipeline": [{"stage": "Batch"}, {"stage": "Map"}, {"stage": "TensorSlice"}]}


def step(phases):
    return phases(data=0.021, function=0.004)


def test_a_python_data_set_wants_workers(ask, phases):
    said = ask("input_pipeline", breakdown=step(phases), input_wait=WAIT, cores=4, batches=PYDATASET)
    assert "Made(workers=4, use_multiprocessing=True)" in said.how
    assert said.fix.name == "dataset-workers"
    after = 0.025 / 4  # both together, on all cores; and a batch is brought over from a process
    worst = 1.15 * (0.025 + 0.0022) / 4
    assert (said.saves.low, said.saves.high) == pytest.approx((1 - worst / 0.025, 1 - after / 0.025))


def test_a_step_that_waits_for_pythons_lock_computes_less_than_it_seems_to(ask, phases):
    def told(**more):
        given = {"breakdown": phases(data=0.006, function=0.008), "cores": 2, "batches": PYDATASET} | more
        return ask("input_pipeline", input_wait=WAIT | {"share": 6 / 14, "produce_s": 0.035}, **given).saves

    # Making a batch takes 10 ms, and 1.1 cores are busy: of the 8 ms beside the wait 5.4 ms are work, and the rest was waited for the lock.
    plain, seen = told(), told(cores_used=1.1)
    assert plain.high == pytest.approx(1 - 9 / 14)
    assert seen.high == pytest.approx(1 - 15.4 / 2 / 14)
    assert seen.low == plain.low
    # TensorFlow's own pipelines need no lock.
    assert told(batches=TF, cores_used=1.1) == told(batches=TF)


def test_what_the_trace_says_of_making_a_batch_is_scaled_to_the_plain_step(ask, phases):
    dilated = WAIT | {"wait_s": 0.042, "produce_s": 0.042}
    said = [
        ask("input_pipeline", breakdown=step(phases), input_wait=w, cores=4, batches=PYDATASET) for w in (WAIT, dilated)
    ]
    assert said[0].saves == said[1].saves


def test_cores_that_slow_each_other_down_and_processes_that_start_anew_make_it_less(ask, phases):
    def told(**more):
        given = {"breakdown": step(phases), "input_wait": WAIT, "cores": 2, "batches": PYDATASET} | more
        return ask("input_pipeline", **given).saves

    crowded = told(cpu_peaks={"crowded": {"interpreter": 1.1, "matrix": 1.4}})
    brought = 0.0022 / 0.025
    assert (crowded.low, crowded.high) == pytest.approx((1 - 1.05 * 1.4 * (1 + brought) / 2, 1 - 1.1 / 2))
    starting = told(batches=PYDATASET | {"num_batches": 100})
    assert (starting.low, starting.high) == pytest.approx(
        (1 - 1.15 * (1 + brought) / 2 - 0.002 / 0.025, 1 - 1 / 2 - 0.0005 / 0.025)
    )
    # Making batches beside the step needs no processes.
    assert told(batches=TF | {"num_batches": 100}) == told(batches=TF)


@pytest.mark.parametrize(
    ("batches", "word"),
    [
        (TF, "num_parallel_calls"),
        ({"adapter": "keras.GeneratorDataAdapter"}, "PyDataset"),
    ],
)
def test_other_sources_have_other_cures(ask, phases, batches, word):
    assert word in ask("input_pipeline", breakdown=step(phases), input_wait=WAIT, cores=2, batches=batches).how


def test_a_pipeline_without_prefetch_is_to_make_batches_beside_the_step(ask, phases):
    wait = WAIT | {"prefetches": False, "share": 0.4, "wait_s": 0.010, "produce_s": 0.010}
    said = ask("input_pipeline", breakdown=phases(data=0.010, function=0.015), input_wait=wait, cores=2)
    assert "prefetch" in said.how
    assert said.saves.high == pytest.approx(0.4)


@pytest.mark.parametrize(
    "given",
    [
        {"input_wait": WAIT | {"share": 0.04}},
        {"batches": PYDATASET | {"workers": 4}},
        {
            "batches": {
                "adapter": "keras.TFDatasetAdapter",
                "pipeline": [{"stage": "Prefetch"}, {"stage": "ParallelMap"}],
            }
        },
        {"cores": 1},
        {"input_wait": WAIT | {"prefetches": False, "traced": False}, "batches": {"adapter": "keras.ArrayDataAdapter"}},
    ],
)
def test_it_is_silent(ask, phases, given):
    evidence = {"input_wait": WAIT, "cores": 4, "batches": PYDATASET} | given
    assert ask("input_pipeline", breakdown=step(phases), **evidence) is None
