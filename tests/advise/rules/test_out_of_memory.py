"""The out_of_memory rule, judged by literal evidence."""

from perfkit.advise.evidence import Evidence
from perfkit.advise.registry import advise

KILLED = {
    "kind": "device", "peak_bytes": 78_000_000_000, "limit_bytes": 80_000_000_000, "exception": "OutOfMemoryError",
    "evidence": "the script ended with OutOfMemoryError",
}  # fmt: skip
HELD = {
    "kind": "device",
    "parameters_bytes": 3e9,
    "gradients_bytes": 3e9,
    "optimizer_bytes": 6e9,
    "activations_bytes": 6e10,
}


def test_it_tells_what_to_do_about_activations(ask):
    said = ask("out_of_memory", out_of_memory=KILLED, memory=HELD, loader={"batch_size": 64})
    assert said.title == "The script ran out of GPU memory"
    assert said.how.startswith("batch_size=32")
    assert said.evidence["most of it"] == "activations, 60 GB"


def test_a_leak_is_not_cured_by_a_smaller_batch(ask):
    said = ask("out_of_memory", out_of_memory=KILLED, memory=HELD, memory_growth={"grows": True})
    assert "grew from step to step" in said.how


def test_data_on_the_host_is_read_piece_by_piece(ask):
    host = {"kind": "host", "parameters_bytes": 1e6, "baseline_bytes": 9e9, "activations_bytes": 1e9}
    said = ask("out_of_memory", out_of_memory={**KILLED, "kind": "host"}, memory=host)
    assert "mmap_mode" in said.how


def test_the_split_of_other_memory_is_not_quoted(ask):
    said = ask("out_of_memory", out_of_memory={**KILLED, "kind": "host"}, memory=HELD)
    assert "most of it" not in said.evidence


def test_it_needs_no_steady_step_and_comes_first():
    leak = {"grows": True, "bytes_per_step": 1e6, "bytes_per_hour": 1e9, "steps": 3, "kind": "device"}
    given = {
        "out_of_memory": KILLED,
        "memory_growth": leak,
        "step_s": 0.1,
        "memory": {"peak_bytes": 7e10, "limit_bytes": 8e10},
    }
    early = advise(Evidence.literal(headline={"steady_count": 0}, **given))
    assert [finding.rule for finding in early.findings] == ["out_of_memory"]
    late = advise(Evidence.literal(headline={"steady_count": 50}, **given))
    assert [finding.rule for finding in late.findings] == ["out_of_memory", "memory_growth"]


def test_it_is_silent_about_other_ends(ask):
    assert isinstance(ask("out_of_memory"), str)
