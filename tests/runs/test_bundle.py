"""A run in one file: what goes in comes out, and nothing else does."""

import hashlib
import json
import zipfile

import pytest

from perfkit.errors import NewerSchema, RunError, RunUnreadable, UsageError
from perfkit.runs import bundle
from perfkit.runs.reader import Run
from perfkit.runs.store import Store

ID = "20260101T000000Z-train-aaa111"


@pytest.fixture
def run(tmp_path, make_run):
    path = make_run(tmp_path / "from", ID)
    (path / "rank-00000").mkdir()
    (path / "rank-00000" / "marks.bin").write_bytes(bytes(range(256)) * 100)
    (path / "rank-00000" / "trace-000.json.gz").write_bytes(b"\x1f\x8b" + bytes(300))
    (path / "control").mkdir()
    (path / "control" / "trace").touch()
    return path


def write_bundle(file, files, *, run_id=ID, manifest=None, declare=None):
    """A bundle made by hand: *files* maps names to bytes; *declare* overrides the manifest's list."""
    listed = declare or [
        {"name": n, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for n, data in files.items()
    ]
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
        made = {"bundle_version": 1, "id": run_id, "files": listed}
        archive.writestr(bundle.MANIFEST, manifest if manifest is not None else json.dumps(made))
    return file


@pytest.fixture
def run_json(run):
    return (run / "run.json").read_bytes()


def test_a_run_comes_out_as_it_went_in(run, tmp_path):
    file = bundle.pack(run, tmp_path)
    assert file.name == f"{ID}.perfkit.zip" and bundle.is_bundle(file)
    arrived = bundle.unpack(file, tmp_path / "to")
    for name in ("rank-00000/marks.bin", "rank-00000/trace-000.json.gz"):
        assert (arrived / name).read_bytes() == (run / name).read_bytes()
    assert not (arrived / "control").exists()
    assert Store(tmp_path / "to").resolve() == arrived


def test_the_run_says_that_it_came_by_bundle(run, tmp_path):
    arrived = bundle.unpack(bundle.pack(run, tmp_path), tmp_path / "to")
    assert Run(arrived).info.origin["bundle"]["file"] == f"{ID}.perfkit.zip"


def test_a_run_that_is_already_there_is_not_overwritten(run, tmp_path):
    file = bundle.pack(run, tmp_path)
    bundle.unpack(file, tmp_path / "to")
    with pytest.raises(UsageError, match="already there"):
        bundle.unpack(file, tmp_path / "to")


def test_a_new_root_keeps_itself_out_of_git(run, tmp_path):
    bundle.unpack(bundle.pack(run, tmp_path), tmp_path / "to")
    assert (tmp_path / "to" / ".gitignore").read_text() == "*\n"


@pytest.mark.parametrize(
    "name", ["../escaped", "/etc/escaped", "a/../../escaped", "..\\escaped", "C:escaped", "", "a\nb", "./x", "a//b"]
)
def test_a_name_that_leaves_the_run_is_refused(name, run_json, tmp_path):
    entry = {"name": name, "bytes": 1, "sha256": hashlib.sha256(b"x").hexdigest()}
    whole = [{"name": "run.json", "bytes": len(run_json), "sha256": hashlib.sha256(run_json).hexdigest()}, entry]
    file = write_bundle(tmp_path / "evil.zip", {"run.json": run_json, name or "empty": b"x"}, declare=whole)
    with pytest.raises(RunUnreadable, match="outside the run"):
        bundle.unpack(file, tmp_path / "to")
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("run_id", ["../up", "", "a/b", ".hidden", "x" * 300])
def test_an_id_that_is_no_name_is_refused(run_id, run_json, tmp_path):
    file = write_bundle(tmp_path / "evil.zip", {"run.json": run_json}, run_id=run_id)
    with pytest.raises(RunUnreadable, match="run id"):
        bundle.unpack(file, tmp_path / "to")


def test_a_link_in_the_archive_becomes_no_link(run_json, tmp_path):
    file = write_bundle(tmp_path / "evil.zip", {"run.json": run_json})
    link = zipfile.ZipInfo("rank-00000/marks.bin")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(link, "/etc/passwd")
    arrived = bundle.unpack(file, tmp_path / "to")
    assert sorted(p.name for p in arrived.iterdir()) == ["run.json"]


def test_a_bomb_is_refused_before_it_is_unpacked(run_json, tmp_path):
    zeros = bytes(80 << 20)
    file = write_bundle(tmp_path / "bomb.zip", {"run.json": run_json, "rank-00000/marks.bin": zeros})
    with pytest.raises(RunUnreadable, match="times its size"):
        bundle.unpack(file, tmp_path / "to")


def test_a_file_longer_than_declared_stops_there(run_json, tmp_path):
    files = {"run.json": run_json, "host.jsonl": bytes(5 << 20)}
    declared = [
        {"name": n, "bytes": min(len(d), 1000), "sha256": hashlib.sha256(d).hexdigest()} for n, d in files.items()
    ]
    file = write_bundle(tmp_path / "liar.zip", files, declare=declared)
    with pytest.raises(RunUnreadable, match="longer than"):
        bundle.unpack(file, tmp_path / "to")
    assert not list((tmp_path / "to" / "runs").iterdir())


def test_damage_on_the_way_is_noticed_and_leaves_nothing_behind(run, tmp_path):
    file = bundle.pack(run, tmp_path)
    with zipfile.ZipFile(file) as archive:
        manifest = json.loads(archive.read(bundle.MANIFEST))
        contents = {name: archive.read(name) for name in archive.namelist() if name != bundle.MANIFEST}
    contents["rank-00000/marks.bin"] = contents["rank-00000/marks.bin"][::-1]
    write_bundle(file, contents, declare=manifest["files"])
    with pytest.raises(RunUnreadable, match="checksum"):
        bundle.unpack(file, tmp_path / "to")
    assert Store(tmp_path / "to").ids() == [] and not list((tmp_path / "to" / "runs").iterdir())


@pytest.mark.parametrize("kept", [0.2, 0.9])
def test_a_truncated_bundle_is_one_line(run, tmp_path, kept):
    file = bundle.pack(run, tmp_path)
    data = file.read_bytes()
    file.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(RunUnreadable, match="not a sound bundle"):
        bundle.unpack(file, tmp_path / "to")


@pytest.mark.parametrize("manifest", ["", "[]", "{}", "[" * 100_000, '{"bundle_version": 1, "id": "a", "files": 3}'])
def test_a_manifest_that_is_none_is_refused(manifest, run_json, tmp_path):
    file = write_bundle(tmp_path / "odd.zip", {"run.json": run_json}, manifest=manifest)
    with pytest.raises(RunUnreadable):
        bundle.unpack(file, tmp_path / "to")


def test_a_newer_bundle_is_refused_with_the_way_out(run_json, tmp_path):
    made = json.dumps({"bundle_version": 99, "id": ID, "files": [{"name": "run.json", "bytes": 1, "sha256": ""}]})
    with pytest.raises(NewerSchema, match="upgrade"):
        bundle.unpack(write_bundle(tmp_path / "new.zip", {"run.json": run_json}, manifest=made), tmp_path / "to")


def test_any_other_zip_is_said_to_be_none_of_ours(tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("readme.txt", "hello")
    assert not bundle.is_bundle(tmp_path / "other.zip")
    with pytest.raises(RunUnreadable, match="not a perfkit bundle"):
        bundle.unpack(tmp_path / "other.zip", tmp_path / "to")


def test_a_target_that_cannot_be_written_is_one_line_and_leaves_nothing(run, tmp_path):
    with pytest.raises(RunError, match="cannot be written"):
        bundle.pack(run, tmp_path / "no" / "such" / "x.zip")


def test_a_run_still_going_is_packed_as_it_is(run, tmp_path, make_run, own_pid):
    live = make_run(tmp_path / "from", "20260102T000000Z-live-bbb222", status="running", pid=own_pid)
    arrived = bundle.unpack(bundle.pack(live, tmp_path), tmp_path / "to")
    from perfkit.runs.status import outcome

    assert outcome(Run(arrived)).note == "still running when it was packed"


def test_any_flipped_byte_is_refused_or_harmless_and_never_a_traceback(run, tmp_path):
    data = bundle.pack(run, tmp_path).read_bytes()
    for position in range(0, len(data), max(1, len(data) // 150)):
        broken = bytearray(data)
        broken[position] ^= 0xFF
        file = tmp_path / "broken.zip"
        file.write_bytes(bytes(broken))
        root = tmp_path / f"to-{position}"
        try:
            arrived = bundle.unpack(file, root)
        except RunError:
            assert Store(root).ids() == []
        else:
            marks = "rank-00000/marks.bin"
            assert (arrived / marks).read_bytes() == (run / marks).read_bytes()
