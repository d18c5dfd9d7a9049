"""Templates: what differs becomes a wildcard, and the number of groups is bounded."""

from perfkit.monitor.logs.drain import Drain


def test_messages_that_differ_in_a_word_are_one_group():
    drain = Drain()
    first = drain.find("connection to node alpha was lost")
    assert drain.find("connection to node beta was lost") is first
    assert first.text == "connection to node <*> was lost"


def test_messages_of_other_words_or_another_length_are_others():
    drain = Drain()
    drain.find("connection to node alpha was lost")
    drain.find("a checkpoint of the model was saved")
    drain.find("connection lost")
    assert len(drain) == 3


def test_the_group_that_was_not_seen_for_longest_makes_room():
    drain = Drain(most=10)
    kept = drain.find("this one stays for good")
    for letter in "abcdefghijklmnopqrstuvwxyz":
        drain.find(f"{letter}{letter} {letter} only once {letter * 3}")
        kept = drain.find("this one stays for good")
    assert len(drain) == 10
    assert drain.forgotten == 17
    assert kept in drain.templates


def test_what_is_forgotten_leaves_nothing_behind():
    drain = Drain(most=5)
    for number in range(2000):
        drain.find(" ".join("abcdefghij"[int(digit)] * 3 for digit in f"{number:04}"))
    assert len(drain._leaves) <= 5
    assert sum(len(words) for words in drain._branches.values()) <= 20


def test_templates_of_the_real_thing(read):
    lines = "".join(
        f"2026-01-02 03:04:05,000 - net - INFO - peer {n:08x}a0 at 10.0.{n}.1 said {n} words\n" for n in range(50)
    )
    analysis = read(lines)
    (template,) = [t for t in analysis.templates.templates if t.count]
    assert template.count == 50
    assert template.text == "peer <*> at <*> said <*> words"
    assert template.first_line == 1
