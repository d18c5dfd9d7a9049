import json
import os

import pytest

from perfkit.hardware import measure


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


def test_what_was_measured_once_is_kept_per_processor_and_cores(cache, monkeypatch):
    made = {"fp32_flops": 1e11, "stream_bytes_per_s": 1e10}
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    monkeypatch.setattr(measure, "_in_child", lambda threads: {**made, "threads": threads})
    first = measure.cpu_peaks(2, cache=cache)
    monkeypatch.setattr(measure, "_in_child", lambda threads: pytest.fail("measured again"))
    assert measure.cpu_peaks(2, cache=cache) == first == {**made, "threads": 2}
    assert measure.fingerprint(1) != measure.fingerprint(2)


def test_nothing_is_measured_beside_others_or_when_not_asked_to(cache, monkeypatch):
    monkeypatch.setattr(measure, "_in_child", lambda threads: pytest.fail("measured"))
    monkeypatch.setattr(measure, "is_idle", lambda: False)
    assert measure.cpu_peaks(1, cache=cache) is None
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    assert measure.cpu_peaks(1, cache=cache, measure=False) is None


def test_a_damaged_or_unwritable_cache_costs_nothing_but_the_measurement(cache, monkeypatch):
    monkeypatch.setattr(measure, "is_idle", lambda: True)
    monkeypatch.setattr(measure, "_in_child", lambda threads: {"stream_bytes_per_s": 1e10})
    cache.mkdir()
    (cache / f"cpu-{measure.fingerprint(1)}.json").write_text("{broken")
    assert measure.cpu_peaks(1, cache=cache) == {"stream_bytes_per_s": 1e10}
    blocked = cache / "file"
    blocked.write_text("")
    assert measure.cpu_peaks(1, cache=blocked) == {"stream_bytes_per_s": 1e10}


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
