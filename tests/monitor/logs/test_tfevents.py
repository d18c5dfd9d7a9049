"""TensorBoard's event files, against its own writer."""

import io
import struct
import subprocess
import sys

import pytest

from perfkit.monitor.logs import sources, tfevents
from perfkit.monitor.logs.analysis import LogAnalysis

# tensorboard with its own stub of TensorFlow, which takes seconds to import
WRITE = """
import sys, types
sys.modules["tensorboard.compat.notf"] = types.ModuleType("notf")
import numpy as np
from tensorboard.compat.proto import event_pb2, summary_pb2
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util import tensor_util
writer = EventFileWriter(sys.argv[1])
def add(step, **what):
    value = summary_pb2.Summary.Value(**what)
    writer.add_event(event_pb2.Event(wall_time=1767323045.5 + step, step=step, summary=summary_pb2.Summary(value=[value])))
for step in range(3):
    add(step, tag="loss", simple_value=2.0 - step / 4)
    add(step, tag="epoch_accuracy", tensor=tensor_util.make_tensor_proto(np.float32(step / 4)))
    add(step, tag="eval/loss", tensor=tensor_util.make_tensor_proto(np.float64(1.0 + step)))
    add(step, tag="count", tensor=tensor_util.make_tensor_proto(np.int64(-step)))
    add(step, tag="weights", tensor=tensor_util.make_tensor_proto(np.zeros(3, np.float32)))
add(3, tag="big", tensor=tensor_util.make_tensor_proto(np.zeros(1 << 19, np.float32)))
add(4, tag="loss", simple_value=0.5)
writer.close()
"""


@pytest.fixture(scope="module")
def event_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("events")
    subprocess.run([sys.executable, "-c", WRITE, str(folder)], check=True, capture_output=True)
    (file,) = folder.iterdir()
    return file


def read(path):
    analysis = LogAnalysis()
    sources.read(analysis, [str(path)])
    return analysis


def test_scalars_of_all_kinds_are_read(event_file):
    found = read(event_file)
    loss = found.history.series("train/loss")
    assert loss.values.tolist() == [2.0, 1.75, 1.5, 0.5]
    assert loss.steps.tolist() == [0, 1, 2, 4]
    assert loss.times_ns.tolist()[0] == 1767323045_500_000_000
    assert found.history.series("train/accuracy").epochs.tolist() == [0, 1, 2]
    assert found.history["val/loss"].tolist() == [1.0, 2.0, 3.0]
    assert found.history["train/count"].tolist() == [0.0, -1.0, -2.0]
    assert "train/weights" not in found.history
    assert (found.sources[0].kind, found.sources[0].state) == ("tfevents", "read")


def test_the_folder_says_which_split(event_file, tmp_path):
    (tmp_path / "validation").mkdir()
    copy = tmp_path / "validation" / event_file.name
    copy.write_bytes(event_file.read_bytes())
    assert "val/accuracy" in read(copy).history


@pytest.mark.parametrize("lost", [1, 5, 17, 40])
def test_what_comes_before_a_torn_end_is_read(event_file, tmp_path, lost):
    torn = tmp_path / event_file.name
    torn.write_bytes(event_file.read_bytes()[:-lost])
    found = read(torn)
    assert found.history["train/loss"].tolist() == [2.0, 1.75, 1.5]
    assert found.sources[0].state == "partial"
    assert "torn" in found.sources[0].reason


def test_damage_is_found_by_the_checksum(event_file, tmp_path):
    data = bytearray(event_file.read_bytes())
    data[data.index(b"eval/loss") + 2] ^= 1
    damaged = tmp_path / event_file.name
    damaged.write_bytes(data)
    found = read(damaged)
    assert found.history["train/loss"].tolist() == [2.0]
    assert "wrong checksum" in found.sources[0].reason


def test_crc32c_of_known_data():
    """Of RFC 3720, B.4, masked as TFRecord does."""

    def masked(crc):
        return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF

    assert tfevents.masked_crc(bytes(32)) == masked(0x8A9136AA)
    assert tfevents.masked_crc(b"\xff" * 32) == masked(0x62A8AB43)
    assert tfevents.masked_crc(b"123456789") == masked(0xE3069283)


def test_a_frame_that_is_no_event_is_passed_over():
    def frame(data):
        head = struct.pack("<Q", len(data))
        return head + struct.pack("<I", tfevents.masked_crc(head)) + data + struct.pack("<I", tfevents.masked_crc(data))

    damage = tfevents.Damage()
    assert list(tfevents.scalars(io.BytesIO(frame(b"\xff" * 40) + frame(b"")), damage)) == []
    assert (damage.frames, damage.skipped, damage.reason) == (2, 1, "")
