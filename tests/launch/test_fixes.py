"""What a person may write for a fix, and that there is a patch behind each."""

import importlib

import pytest

from perfkit.errors import UsageError
from perfkit.inside.patches import MODULES
from perfkit.inside.patches.base import Patch
from perfkit.launch.fixes import KINDS, check, listing, option, parse, recorded, write
from perfkit.model.records import Fix


@pytest.mark.parametrize(
    ("text", "name", "parameters"),
    [
        ("loader_workers=4", "loader-workers", {"num_workers": 4}),
        ("LOADER-WORKERS", "loader-workers", {}),
        (
            "loader-workers:num_workers=2,persistent-workers=no",
            "loader-workers",
            {"num_workers": 2, "persistent_workers": False},
        ),
        ("optimizer:foreach=true", "optimizer", {"foreach": True}),
        ("compile=reduce-overhead", "compile", {"mode": "reduce-overhead"}),
        ("allocator:cuda=expandable_segments:True", "allocator", {"cuda": "expandable_segments:True"}),
        ("fused_optimizer=1", "fused-optimizer", {"fused": True}),
        ("tf32", "tf32", {}),
    ],
)
def test_ways_of_writing_a_fix(text, name, parameters):
    assert parse(text) == Fix(name=name, parameters=parameters)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("loader-worker=4", "no fix 'loader-worker'; did you mean loader-workers"),
        ("loader-workers:workers=4", "no parameter of loader-workers 'workers'; did you mean num_workers"),
        ("loader-workers=many", "'many' is not a number"),
        ("loader-workers=-1", "'-1' is not a number"),
        ("tf32=yes", "tf32 takes no value"),
        ("optimizer:foreach", "write optimizer:key=value; optimizer takes fused, foreach"),
        ("optimizer:foreach=maybe", "'maybe' is neither true nor false"),
        ("compile=", "a value is missing"),
    ],
)
def test_what_cannot_be_meant_is_one_line_with_the_way_out(text, said):
    with pytest.raises(UsageError) as caught:
        parse(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_fixes_that_do_not_come_from_text_are_checked_as_well():
    check([Fix(name="threads", parameters={"num_threads": 2}), Fix(name="tf32")])
    for asked in ([Fix(name="thread")], [Fix(name="threads", parameters={"number": 2})], [Fix(name="tf32")] * 2):
        with pytest.raises(UsageError):
            check(asked)


def test_a_run_without_fixes_has_no_trace_of_them(tmp_path):
    write(tmp_path, ())
    assert list(tmp_path.iterdir()) == []
    assert (option(()), recorded(())) == ({}, {})


FILES = {fix: file for of_framework in MODULES.values() for fix, file in of_framework.items()}


@pytest.mark.parametrize("name", KINDS)
def test_every_fix_has_a_patch_and_a_line_in_the_listing(name):
    assert FILES.keys() == KINDS.keys()
    patch = importlib.import_module(f"perfkit.inside.patches.{FILES[name]}").PATCH
    assert issubclass(patch, Patch)
    assert patch.place is not Patch.place
    assert any(line.split("=")[0].split()[:1] == [name] for line in listing().splitlines())
    assert KINDS[name].main in (None, *KINDS[name].parameters)


def test_what_rules_advise_can_be_applied():
    """Fixes in the sources of the rules, by name."""
    import re
    from pathlib import Path

    import perfkit.advise.rules as rules

    sources = "".join(file.read_text() for file in Path(rules.__path__[0]).glob("*.py"))
    advised = set(re.findall(r'Fix\(\s*name="([\w-]+)"', sources))
    assert len(advised) > 8
    assert advised <= KINDS.keys()


def test_what_is_said_to_be_screened_is_what_its_patch_can_do():
    for name, kind in KINDS.items():
        patch = importlib.import_module(f"perfkit.inside.patches.{FILES[name]}").PATCH
        assert kind.screened == (patch.switchable and patch.in_every_step), name
