"""A figure above what can be is marked, and one below is not."""

import pytest

from perfkit.hardware.possible import suspects
from perfkit.model.records import Device

H100 = Device(name="NVIDIA H100 80GB HBM3", kind="cuda", details={"max_sm_clock_mhz": 1980})


def test_what_can_be_is_not_marked(document):
    assert suspects(document["devices"], document["host"], [H100]) == {}


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"flops": {"bf16": 1.2e15}}, "devices[0].flops.bf16"),
        ({"flops": {"fp32": 4.0e14}}, "devices[0].flops.fp32"),
        ({"bandwidth": 5.0e12}, "devices[0].bandwidth"),
    ],
)
def test_above_the_catalogue_it_is(document, change, path):
    """4e14 in fp32 is what tf32 does: the setting did not take."""
    document["devices"][0] |= change
    assert list(suspects(document["devices"], document["host"], [H100])) == [path]


def test_clocks_above_the_makers_are_no_reason_to_doubt(document):
    document["devices"][0]["flops"] = {"bf16": 1.05e15}
    assert suspects(document["devices"], document["host"], [H100]) == {}
    unknown_clock = Device(name=H100.name, kind="cuda")
    assert suspects(document["devices"], document["host"], [unknown_clock]) != {}


def test_a_processor_is_held_against_its_instruction_sets(document):
    document["devices"][1]["one_thread"]["flops"]["fp32"] = 1.0e12  # 64 in a clock would need 15.6 GHz
    assert list(suspects(document["devices"], document["host"], [])) == ["devices[1].one_thread.flops.fp32"]


def test_what_is_not_known_is_not_doubted(document):
    document["devices"][0]["flops"]["bf16"] = 1e20
    document["devices"][0]["name"] = "NVIDIA Unheard-of"
    other = Device(name="NVIDIA Unheard-of", kind="cuda")
    assert suspects(document["devices"], document["host"] | {"instruction_sets": []}, [other]) == {}
