"""What is noted about an exception that ended the script, for real: its class and whether memory ran out; never its text."""

import json

import pytest

from perfkit.inside.ending import name_of, speaks_of_memory


def endings(done):
    file = done.run.path / "endings.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


@pytest.mark.slow
def test_memory_that_ran_out_before_the_first_step_is_noted(record):
    """A real limit of the address space: what the allocator cannot get, the framework reports in words of its own."""
    done = record(
        """
        import resource
        net()(torch.randn(4, 16))
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        held = torch.ones(1 << 32)
        """,
        check=False,
    )
    assert done.returncode == 1
    (noted,) = endings(done)
    assert noted["exception"] == "RuntimeError"
    assert noted["memory"] is True


@pytest.mark.slow
def test_any_other_exception_is_noted_by_its_class_alone(record):
    done = record("raise ValueError('the secret of the user')", check=False)
    (noted,) = endings(done)
    assert (noted["exception"], noted["memory"]) == ("ValueError", False)
    assert "secret" not in (done.run.path / "endings.jsonl").read_text()


@pytest.mark.slow
def test_a_script_that_ends_well_or_by_its_own_word_leaves_no_note(record):
    assert endings(record("try:\n    1 / 0\nexcept ZeroDivisionError:\n    pass")) == []
    assert endings(record("sys.exit(3)", check=False)) == []


@pytest.mark.slow
def test_a_forked_child_notes_nothing(record):
    script = """
    if os.fork() == 0:
        raise MemoryError
    os.wait()
    """
    assert endings(record(script)) == []


class OutOfMemoryError(RuntimeError):
    """As torch calls it."""


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (MemoryError(), True),
        (OutOfMemoryError("CUDA"), True),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"), True),
        (OSError(12, "Cannot allocate memory"), True),
        (RuntimeError("CUDA error: out of memory"), True),
        (RuntimeError("shapes do not match"), False),
        (KeyboardInterrupt(), False),
    ],
)
def test_memory_is_told_by_class_or_by_the_usual_words(error, memory):
    assert speaks_of_memory(error) is memory


def test_classes_of_libraries_carry_their_module():
    assert name_of(ValueError) == "ValueError"
    assert name_of(OutOfMemoryError).endswith("test_ending.OutOfMemoryError")
