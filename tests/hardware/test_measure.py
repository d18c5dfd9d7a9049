import json
import os

import psutil
import pytest

from perfkit.hardware import detect, measure


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def answers(made):
    """Stands for the two children: what they would print."""
    return lambda threads, main="main": (
        {"crowded": {"matrix": 1.5}} if main == "beside_others" else {**made, "threads": threads}
    )


def test_what_was_measured_once_is_kept_per_processor_and_cores(cache, monkeypatch):
    made = {"fp32_flops": 1e11, "stream_bytes_per_s": 1e10}
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    monkeypatch.setattr(measure, "_in_child", answers(made))
    first = measure.cpu_peaks(2, cache=cache)
    monkeypatch.setattr(measure, "_in_child", lambda *args: pytest.fail("measured again"))
    assert measure.cpu_peaks(2, cache=cache) == first == {**made, "threads": 2, "crowded": {"matrix": 1.5}}
    assert measure.fingerprint(1) != measure.fingerprint(2)


def test_nothing_is_measured_beside_others_or_when_not_asked_to(cache, monkeypatch):
    monkeypatch.setattr(measure, "_in_child", lambda *args: pytest.fail("measured"))
    monkeypatch.setattr(measure, "is_idle", lambda: False)
    assert measure.cpu_peaks(1, cache=cache) is None
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    assert measure.cpu_peaks(1, cache=cache, measure=False) is None


def test_a_damaged_or_unwritable_cache_costs_nothing_but_the_measurement(cache, monkeypatch):
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    monkeypatch.setattr(measure, "_in_child", answers({"stream_bytes_per_s": 1e10}))
    found = {"stream_bytes_per_s": 1e10, "threads": 1, "crowded": {"matrix": 1.5}}
    cache.mkdir()
    (cache / f"cpu-{measure.fingerprint(1)}.json").write_text("{broken")
    assert measure.cpu_peaks(1, cache=cache) == found
    blocked = cache / "file"
    blocked.write_text("")
    assert measure.cpu_peaks(1, cache=blocked) == found


def test_figures_of_an_earlier_kind_are_measured_anew(cache, monkeypatch):
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    monkeypatch.setattr(measure, "_in_child", answers({"stream_bytes_per_s": 2e10}))
    cache.mkdir()
    (cache / f"cpu-{measure.fingerprint(1)}.json").write_text('{"stream_bytes_per_s": 1e10}')
    assert measure.cpu_peaks(1, cache=cache)["stream_bytes_per_s"] == 2e10


@pytest.mark.parametrize(("text", "cores"), [("0,64\n", [0, 64]), ("2-3\n", [2, 3]), ("5\n", [5])])
def test_siblings_are_read_as_the_system_writes_them(tmp_path, monkeypatch, text, cores):
    (tmp_path / "7").write_text(text)
    monkeypatch.setattr(measure, "SIBLINGS", str(tmp_path / "{core}"))
    assert measure._siblings(7) == cores
    assert measure._siblings(8) == []


@pytest.mark.slow
def test_a_core_beside_busy_ones_is_never_told_to_be_faster():
    """Measured for real: whether two cores share one is this machine's affair."""
    found = measure._in_child(1, "beside_others")["crowded"]
    assert set(found) == {"interpreter", "matrix"}
    assert all(1 <= factor < 20 for factor in found.values())


def test_neighbours_end_with_the_measurement():
    allowed, usable = os.sched_getaffinity(0), int(detect.usable_cores())
    with measure._neighbours():
        busy = [child for child in psutil.Process().children() if measure.NEIGHBOUR in child.cmdline()]
        assert bool(busy) == (usable > 1)
        assert all(set(child.cpu_affinity()).isdisjoint(os.sched_getaffinity(0)) for child in busy)
    assert not any(child.is_running() for child in busy)
    assert os.sched_getaffinity(0) == allowed


def test_the_cache_lies_in_the_users_cache_folder(monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert str(measure.cache_folder()) == os.path.join("/somewhere", "perfkit")


@pytest.mark.slow
def test_figures_are_those_of_a_processor():
    """Measured for real, on a machine that may be busy: only orders of magnitude can be held."""
    found = measure._in_child(1)
    assert json.loads(json.dumps(found)) == found
    assert 1e9 < found["fp32_flops"] < 1e13
    assert 0.5e9 < found["fp64_flops"] < 2 * found["fp32_flops"]
    assert 1e8 < found["stream_bytes_per_s"] < 1e12
    assert None not in found.values()  # a null would need a reason in every document
    assert found["threads"] == 1


def test_the_fastest_of_several_calls_counts():
    assert 0 < measure.best_s(lambda: None, 0.001) < 0.001
