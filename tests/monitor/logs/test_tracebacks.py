"""Tracebacks are joined, whoever printed them."""

TRACE = """Traceback (most recent call last):
  File "/src/train.py", line 16, in <module>
    step(batch)
  File "/src/model.py", line 4, in step
    return a @ b
           ~~^~~
RuntimeError: bad shapes
"""


def crash(analysis):
    (found,) = analysis.facts.crashes.values()
    return found


def test_its_lines_are_one_record(read):
    analysis = read("step 1: loss 0.5\n" + TRACE + "step 2: loss 0.4\n")
    found = crash(analysis)
    assert (found.exception, found.message, found.where, found.line, found.length) == (
        "RuntimeError",
        "bad shapes",
        "model.py:4",
        2,
        7,
    )
    assert analysis.counts["runtime"] == 7
    assert analysis.history["train/loss"].tolist() == [0.5, 0.4]
    (record,) = (r for r in analysis.records if r.event == "traceback")
    assert (record.kind, record.level, record.line, record.text) == ("runtime", "error", 2, "RuntimeError: bad shapes")


def test_of_the_same_place_it_is_counted(read):
    assert crash(read(TRACE * 5)).count == 5


def test_a_rank_before_every_line_is_taken_off(read):
    found = crash(read("".join(f"[rank1]: {line}\n" for line in TRACE.splitlines())))
    assert (found.exception, found.where) == ("RuntimeError", "model.py:4")


def test_a_message_of_several_lines_belongs_to_it(read):
    found = crash(
        read(TRACE.replace("bad shapes", "Error(s) in loading state_dict:") + '\tMissing key(s): "a.weight".\nnext\n')
    )
    assert found.message == 'Error(s) in loading state_dict: Missing key(s): "a.weight".'


def test_a_torn_one_says_so(read):
    analysis = read("".join(TRACE.splitlines(keepends=True)[:4]) + "### something 1.0 else\n")
    assert crash(analysis).exception == ""
    assert crash(analysis).where == "model.py:4"
    assert analysis.counts["unknown"] == 1


def test_at_the_end_of_the_log_it_is_taken_too(read):
    assert crash(read(TRACE.rstrip("\n"))).exception == "RuntimeError"


def test_a_recursion_is_kept_in_bounded_memory(read):
    deep = (
        "Traceback (most recent call last):\n"
        + '  File "/src/a.py", line 3, in f\n    f()\n' * 50_000
        + "RecursionError: too deep\n"
    )
    found = crash(read(deep))
    assert (found.exception, found.length, len(found.text)) == ("RecursionError", 100_002, 100)


def test_the_code_below_a_warning_belongs_to_it(read):
    analysis = read("/src/a.py:13: UserWarning: odd\n  warnings.warn('odd')\n  x = 1\n")
    assert analysis.counts == {**dict.fromkeys(analysis.counts, 0), "runtime": 2, "param": 1}
