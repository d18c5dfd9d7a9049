import pytest

FETCH = "Memcpy DtoH (Device -> Pageable)"


def item(timeline, start, duration, ident=7):
    """loss.item(): a copy and a wait, inside two operators."""
    timeline.host("aten::item", start, duration, **{"External id": ident})
    timeline.host("aten::_local_scalar_dense", start + 1, duration - 2, **{"External id": ident + 1})
    timeline.host("cudaStreamSynchronize", start + 4, duration - 6, "cuda_runtime", **{"External id": ident + 1})
    return timeline


def test_a_wait_bears_the_idle_time_that_follows_it(timeline):
    timeline.step(1, 0, 200).kernel("gemm", 1, 5, 95)
    item(timeline, 10, 92)
    timeline.kernel("gemm", 140, 145, 55)
    (row,) = timeline.analysis().syncs
    assert (row.name, row.operator, row.cause) == ("cudaStreamSynchronize", "aten::item", "sync")
    assert row.calls_per_step == 1
    assert row.seconds_per_step == pytest.approx(86e-6)
    assert row.exposed_idle_seconds_per_step == pytest.approx(42e-6)  # from 100 until the next launch returned


def test_idle_that_the_profiler_made_is_not_blamed_on_the_wait(timeline):
    timeline.step(1, 0, 200).kernel("gemm", 1, 5, 95)
    item(timeline, 10, 92)
    timeline.kernel("gemm", 140, 145, 55)
    (row,) = timeline.analysis(step_time_s=165e-6).syncs
    assert row.exposed_idle_seconds_per_step == pytest.approx(15e-6)  # 50 idle less 35; the launch idle goes first


def test_a_fetch_into_ordinary_memory_waits_in_the_copying_call(timeline):
    timeline.step(1, 0, 200).kernel("gemm", 1, 5, 95)
    timeline.host("aten::to", 10, 95, **{"External id": 3})
    timeline.kernel(FETCH, 12, 100, 2, cat="gpu_memcpy", call="cudaMemcpyAsync", launch=91, **{"External id": 3})
    timeline.kernel("gemm", 140, 145, 55)
    (row,) = timeline.analysis().syncs
    assert (row.name, row.operator, row.cause) == ("cudaMemcpyAsync", "aten::to", "sync")
    assert row.exposed_idle_seconds_per_step > 35e-6


def test_the_wait_for_an_upload_is_the_copys(timeline):
    timeline.step(1, 0, 200).host("aten::copy_", 9, 144, **{"External id": 7})
    args = {"External id": 7}
    timeline.kernel(
        "Memcpy HtoD (Pageable -> Device)", 10, 100, 50, cat="gpu_memcpy", call="cudaMemcpyAsync", launch=80, **args
    )
    timeline.host("cudaStreamSynchronize", 90, 62, "cuda_runtime", **args)
    timeline.kernel("gemm", 160, 170, 30)
    assert [row.cause for row in timeline.analysis().syncs] == ["copy"]


def test_two_waits_share_the_idle_time_as_it_followed_them(timeline):
    timeline.step(1, 0, 400).kernel("gemm", 1, 5, 45)
    item(timeline, 10, 42)
    timeline.kernel("gemm", 60, 65, 85)  # 15 after the first
    timeline.host("cudaDeviceSynchronize", 70, 82, "cuda_runtime")
    timeline.kernel("gemm", 200, 205, 100)  # 55 after the second
    rows = {row.name: row.exposed_idle_seconds_per_step for row in timeline.analysis().syncs}
    assert rows["cudaStreamSynchronize"] == pytest.approx(12e-6)
    assert rows["cudaDeviceSynchronize"] == pytest.approx(52e-6)
    assert timeline.analysis().syncs[0].name == "cudaDeviceSynchronize"


def test_waits_outside_the_steps_do_not_count(timeline):
    timeline.step(1, 0, 100).kernel("gemm", 1, 5, 45)
    timeline.host("cudaDeviceSynchronize", 150, 82, "cuda_runtime")
    assert timeline.analysis().syncs == []
