import pytest

from perfkit.analyze.copies import copy_kind

PAGEABLE, PINNED = "Memcpy HtoD (Pageable -> Device)", "Memcpy HtoD (Pinned -> Device)"


def copy(timeline, name, launched, start, duration, launch=2, **args):
    args = {"External id": 7, **args}
    return timeline.kernel(
        name, launched, start, duration, cat="gpu_memcpy", call="cudaMemcpyAsync", launch=launch, **args
    )


def test_a_blocking_upload_says_how_long_the_host_stood_still(timeline):
    timeline.step(1, 0, 300).host("aten::to", 5, 120, **{"External id": 6})
    timeline.host("aten::copy_", 6, 118, **{"External id": 7})
    copy(timeline, PAGEABLE, 10, 80, 40, launch=70, bytes=4_000_000)
    timeline.host("cudaStreamSynchronize", 81, 40, "cuda_runtime", **{"External id": 7})
    timeline.kernel("gemm", 130, 140, 100)
    (row,) = timeline.analysis().copies
    assert (row.kind, row.pageable, row.operator) == ("HtoD", True, "aten::to")
    assert row.host_blocked_seconds_per_step == pytest.approx(110e-6)  # the call and the wait, which touch at 80
    assert row.exposed_seconds_per_step == row.seconds_per_step == pytest.approx(40e-6)
    assert row.bytes_per_s == pytest.approx(1e11)
    assert row.calls_per_step == 1


def test_a_copy_under_a_kernel_is_not_exposed(timeline):
    timeline.step(1, 0, 300).kernel("gemm", 1, 10, 100)
    copy(timeline, PINNED, 5, 90, 40, bytes=1000)
    (row,) = timeline.analysis().copies
    assert (row.kind, row.pageable) == ("HtoD", False)
    assert row.exposed_seconds_per_step == pytest.approx(20e-6)
    assert row.host_blocked_seconds_per_step == pytest.approx(2e-6)


def test_kinds_are_kept_apart_and_the_longest_comes_first(timeline):
    timeline.step(1, 0, 300)
    copy(timeline, PINNED, 1, 10, 10)
    copy(timeline, PAGEABLE, 30, 40, 20)
    copy(timeline, "Memcpy DtoD (Device -> Device)", 70, 80, 5)
    assert [(row.kind, row.pageable) for row in timeline.analysis().copies] == [
        ("HtoD", True),
        ("HtoD", False),
        ("DtoD", None),
    ]


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("Memcpy DtoH (Device -> Pageable)", ("DtoH", True)),
        ("Memcpy DtoH (Device -> Pinned)", ("DtoH", False)),
        ("Memcpy HtoD (Host -> Device)", ("HtoD", None)),  # ROCm does not say
        ("Memcpy PtoP (Device -> Device)", ("PtoP", None)),
        ("CopyHostToDevice", ("HtoD", None)),
        ("FillBuffer", ("FillBuffer", None)),
    ],
)
def test_kinds_are_read_from_names(name, kind):
    assert copy_kind(name) == kind
