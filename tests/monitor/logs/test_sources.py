"""Files of all kinds, and files that are rotated while they are followed."""

import gzip
import io
import logging
import os

import pytest

from perfkit.errors import UsageError
from perfkit.monitor.logs import sources
from perfkit.monitor.logs.analysis import LogAnalysis
from perfkit.monitor.logs.handler import MonitorHandler


def text(first, last):
    return "".join(f"step {step}: loss {step / 10}\n" for step in range(first, last)).encode()


def analysis_of(*paths):
    analysis = LogAnalysis()
    sources.read(analysis, [str(path) for path in paths])
    return analysis


def steps(analysis):
    return analysis.history.series("train/loss").steps.tolist()


def test_gzip_is_read_by_its_content_not_its_name(tmp_path):
    (tmp_path / "log.txt").write_bytes(gzip.compress(text(0, 10)))
    found = analysis_of(tmp_path / "log.txt")
    assert steps(found) == list(range(10))
    assert found.sources[0].kind == "gzip"


def test_of_a_torn_gzip_the_beginning_is_read(tmp_path):
    whole = gzip.compress(os.urandom(200_000).hex().encode() + b"\n" + text(0, 10))
    (tmp_path / "log.gz").write_bytes(whole[: len(whole) // 2])
    found = analysis_of(tmp_path / "log.gz")
    assert found.sources[0].state == "partial"
    assert "gzip stream is damaged" in found.sources[0].reason


def test_the_other_files_are_read_when_one_cannot_be(tmp_path):
    (tmp_path / "a.log").write_bytes(text(0, 3))
    found = analysis_of(tmp_path / "gone.log", tmp_path / "a.log")
    assert [source.state for source in found.sources] == ["failed", "read"]
    assert steps(found) == [0, 1, 2]


def test_what_cannot_be_meant_is_said(tmp_path):
    with pytest.raises(UsageError, match="no such file"):
        sources.check([str(tmp_path / "nothing")])
    with pytest.raises(UsageError, match="is a folder"):
        sources.check([str(tmp_path)])


class Followed:
    """A file, its tail, and the analysis that it goes to; ``look`` reads until nothing is new."""

    def __init__(self, path):
        self.analysis, self.path = LogAnalysis(), path
        self.tail = sources.Tail(path)
        self._rounds = sources.follow(self.analysis, str(path), self.tail)

    def look(self):
        quiet = 0
        while quiet < 3:
            quiet = 0 if next(self._rounds) else quiet + 1

    def steps(self):
        self.look()
        return steps(self.analysis)


@pytest.fixture
def followed(tmp_path):
    path = tmp_path / "train.log"
    path.write_bytes(text(0, 5))
    made = Followed(path)
    yield made
    made.tail.close()


def test_a_growing_file_is_read_as_it_grows(followed):
    assert followed.steps() == [0, 1, 2, 3, 4]
    with followed.path.open("ab") as file:
        file.write(text(5, 7) + b"step 7: lo")
        file.flush()
        assert followed.steps() == list(range(7))
        file.write(b"ss 0.7\n")
    assert followed.steps() == list(range(8))


def test_a_file_that_is_renamed_and_made_again_is_read_on_and_nothing_is_lost(followed):
    assert len(followed.steps()) == 5
    with followed.path.open("ab") as old:
        followed.path.rename(followed.path.with_suffix(".1"))
        old.write(text(5, 8))  # the program still has the old file open
    followed.look()
    followed.path.write_bytes(text(8, 10))
    assert followed.steps() == list(range(10))
    assert followed.tail.rotations == 1


def test_a_file_that_is_copied_and_truncated_is_read_from_its_beginning(followed):
    assert len(followed.steps()) == 5
    followed.path.write_bytes(b"")
    followed.look()
    followed.path.write_bytes(text(5, 7))
    assert followed.steps() == list(range(7))


def test_a_file_that_is_truncated_and_longer_again_between_two_looks_is_known_by_its_beginning(followed):
    assert len(followed.steps()) == 5
    followed.path.write_bytes(text(10, 30))
    assert followed.steps() == [*range(5), *range(10, 30)]


def test_the_epoch_goes_on_through_rotation(followed):
    with followed.path.open("ab") as file:
        file.write(b"Epoch 3/9\n")
    followed.look()
    followed.path.rename(followed.path.with_suffix(".1"))
    followed.path.write_bytes(b"loss: 0.25\n")
    followed.look()
    assert followed.analysis.history.series("train/loss").epochs.tolist()[-1] == 3


def test_a_file_that_is_not_there_yet_is_waited_for(tmp_path):
    waiting = Followed(tmp_path / "later.log")
    waiting.look()
    waiting.path.write_bytes(text(0, 2))
    assert waiting.steps() == [0, 1]
    waiting.tail.close()


@pytest.fixture
def logger():
    made = logging.Logger("train")
    made.addHandler(MonitorHandler())
    return made


def test_what_a_program_logs_is_analysed_with_its_own_time_and_level(logger):
    handler = logger.handlers[0]
    logger.info("epoch %d loss %.2f", 3, 0.5)
    logger.warning("gradient overflow")
    try:
        raise ValueError("bad batch")
    except ValueError:
        logger.exception("could not go on")
    analysis = handler.analysis
    assert analysis.history["train/loss"].tolist() == [0.5]
    assert analysis.history.series("train/loss").epochs.tolist() == [3]
    assert analysis.history.series("train/loss").times_ns[0] > 1.7e18
    assert analysis.facts.levels == {"warning": 1, "error": 2, "critical": 0}
    (crash,) = analysis.facts.crashes.values()
    assert (crash.exception, crash.message) == ("ValueError", "bad batch")


def test_a_handler_raises_nothing_into_the_program(logger, monkeypatch):
    monkeypatch.setattr("sys.stderr", io.StringIO())
    logger.info("%d", "no number")
    logger.info("step 1: loss 0.5")
    assert logger.handlers[0].analysis.history["train/loss"].tolist() == [0.5]
