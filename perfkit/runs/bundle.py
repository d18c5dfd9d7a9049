"""One file that holds a whole run, to carry it from one machine to another.

A zip archive: the run's files under their relative names, and ``perfkit-bundle.json`` with every file's
size and SHA-256. A bundle may come from anyone, so unpacking believes nothing: names cannot leave the run's
folder, links do not exist in it, sizes are held to what was declared and to the caps below, and a run
appears whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tempfile
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ..errors import NewerSchema, RunError, RunUnreadable, UsageError
from . import layout
from .reader import read_info
from .store import Store, folder_bytes

MANIFEST = "perfkit-bundle.json"
VERSION = 1
SUFFIX = ".perfkit.zip"

# A day of 10 ms steps is 4 GB of marks; what is larger is no run that anyone wants to carry about.
MAX_TOTAL_BYTES = 8 << 30
MAX_FILES = 20_000
MAX_MANIFEST_BYTES = 16 << 20
# Marks and samples shrink to a tenth, traces to a thirtieth. Deflate's limit, which bombs use, is 1032.
MAX_RATIO = 250
RATIO_FREE_BYTES = 64 << 20
CHUNK_BYTES = 1 << 20

# What zipfile raises for damage: RuntimeError for members that claim to be encrypted, ValueError for odd headers.
_DAMAGE = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_SAFE_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_ALREADY_PACKED = (".gz", ".zst", ".parquet")


def pack(run: Path, file: Path) -> Path:
    """Write the run at *run* into *file* (``<id>.perfkit.zip`` in it when that is a folder). Returns the
    file.

    A run that is still going is packed as it is at this moment.
    """
    read_info(run)
    target = file / f"{run.name}{SUFFIX}" if file.is_dir() else file
    scratch = target.with_name(target.name + ".part")
    try:
        with zipfile.ZipFile(scratch, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            files = [_add(archive, path, path.relative_to(run).as_posix()) for path in _files(run)]
            archive.writestr(MANIFEST, json.dumps(_manifest(run.name, files), indent=1))
        scratch.replace(target)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise RunError(f"{target}: cannot be written: {error}") from error
    return target


def is_bundle(file: Path) -> bool:
    """Whether *file* looks like one of ours (cheap; says nothing about its soundness)."""
    try:
        with zipfile.ZipFile(file) as archive:
            return MANIFEST in archive.NameToInfo
    except (OSError, *_DAMAGE):
        return False


def unpack(file: Path, root: Path) -> Path:
    """Make a run below *root* from the bundle *file* and `latest` name it. Returns the run's path.

    Raises RunUnreadable for a damaged or hostile file, UsageError when that run is already there.
    """
    store = Store(root)
    try:
        with zipfile.ZipFile(file) as archive:
            manifest = _read_manifest(archive, file)
            target: Path = store.folder / manifest["id"]
            if target.exists():
                raise UsageError(f"{target} is already there; remove it first: perfkit runs rm {target.name}")
            store.ensure()
            _unpack_into(archive, manifest, target, file)
    except _DAMAGE as error:
        raise RunUnreadable(f"{file}: not a sound bundle: {error}") from error
    except OSError as error:
        raise RunError(f"{file}: cannot be unpacked: {error}") from error
    store.set_latest(target.name)
    return target


def _files(run: Path) -> list[Path]:
    found = [path for path in sorted(run.rglob("*")) if path.is_file() and not path.is_symlink()]
    return [path for path in found if path.relative_to(run).parts[0] != layout.CONTROL]


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> dict[str, Any]:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if name.endswith(_ALREADY_PACKED) else zipfile.ZIP_DEFLATED
    with path.open("rb") as source, archive.open(info, "w", force_zip64=True) as sink:
        size, digest = _copy(source, sink, limit=MAX_TOTAL_BYTES)
    return {"name": name, "bytes": size, "sha256": digest}


def _manifest(run_id: str, files: list[dict[str, Any]]) -> dict[str, Any]:
    packed = datetime.now(tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {"bundle_version": VERSION, "id": run_id, "packed_utc": packed, "files": files}


def _copy(source: IO[bytes], sink: IO[bytes], *, limit: int) -> tuple[int, str]:
    """Copy at most *limit* bytes; returns their number and SHA-256. One byte more raises RunUnreadable."""
    digest, size = hashlib.sha256(), 0
    while chunk := source.read(CHUNK_BYTES):
        size += len(chunk)
        if size > limit:
            raise RunUnreadable(f"a file in it is longer than the {limit} bytes it may have")
        digest.update(chunk)
        sink.write(chunk)
    return size, digest.hexdigest()


def _read_manifest(archive: zipfile.ZipFile, file: Path) -> dict[str, Any]:
    try:
        with archive.open(MANIFEST) as member:
            raw = member.read(MAX_MANIFEST_BYTES + 1)
    except KeyError:
        raise RunUnreadable(f"{file}: a zip archive, but not a perfkit bundle") from None
    try:
        manifest = json.loads(raw) if len(raw) <= MAX_MANIFEST_BYTES else None
    except (ValueError, RecursionError):
        manifest = None
    problem = _problem_of(manifest)
    if problem:
        raise RunUnreadable(f"{file}: {problem}")
    assert isinstance(manifest, dict)
    if manifest["bundle_version"] > VERSION:
        raise NewerSchema(f"{file}: bundle version {manifest['bundle_version']} is newer than this perfkit's; upgrade")
    _check_sizes(manifest, file)
    return manifest


def _problem_of(manifest: Any) -> str | None:
    """What is wrong with the manifest's shape, or None."""
    if not isinstance(manifest, dict) or not isinstance(manifest.get("bundle_version"), int):
        return "its manifest cannot be read"
    if not isinstance(manifest.get("id"), str) or not _SAFE_ID.fullmatch(manifest["id"]):
        return "its run id is not one"
    files = manifest.get("files")
    if not isinstance(files, list) or len(files) > MAX_FILES or not all(isinstance(f, dict) for f in files):
        return f"its list of files is damaged or longer than {MAX_FILES}"
    for entry in files:
        size = entry.get("bytes")
        if not isinstance(size, int) or size < 0 or not isinstance(entry.get("sha256"), str):
            return "its list of files is damaged"
        if not _is_safe_name(entry.get("name")):
            return f"it names a file outside the run: {str(entry.get('name'))[:80]!r}"
    names = [entry["name"] for entry in files]
    if len(set(names)) != len(names) or layout.RUN_JSON not in names:
        return f"it names a file twice, or has no {layout.RUN_JSON}"
    return None


def _is_safe_name(name: Any) -> bool:
    if not isinstance(name, str) or not name or not name.isprintable() or set(name) & set("\\:"):
        return False
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts and path.as_posix() == name and name != MANIFEST


def _check_sizes(manifest: dict[str, Any], file: Path) -> None:
    declared = sum(entry["bytes"] for entry in manifest["files"])
    packed = max(1, file.stat().st_size)
    if declared > MAX_TOTAL_BYTES:
        raise RunUnreadable(f"{file}: would unpack to {declared} bytes, more than the {MAX_TOTAL_BYTES} allowed")
    if declared > RATIO_FREE_BYTES and declared / packed > MAX_RATIO:
        raise RunUnreadable(f"{file}: would unpack to {declared // packed} times its size; no run does")


def _unpack_into(archive: zipfile.ZipFile, manifest: dict[str, Any], target: Path, file: Path) -> None:
    """Unpack beside *target* and rename when all is whole."""
    scratch = Path(tempfile.mkdtemp(prefix=".incoming-", dir=target.parent))
    try:
        for entry in manifest["files"]:
            _extract(archive, entry, scratch, file)
        _note_origin(scratch, file, manifest)
        scratch.chmod(0o755)
        scratch.rename(target)
    finally:
        if scratch.exists():
            shutil.rmtree(scratch, ignore_errors=True)


def _extract(archive: zipfile.ZipFile, entry: dict[str, Any], folder: Path, file: Path) -> None:
    path = folder / entry["name"]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(entry["name"]) as source, path.open("xb") as sink:
            size, digest = _copy(source, sink, limit=entry["bytes"])
    except KeyError:
        raise RunUnreadable(f"{file}: {entry['name']} is missing from it") from None
    except RunUnreadable as error:
        raise RunUnreadable(f"{file}: {entry['name']}: {error}") from None
    if size != entry["bytes"] or digest != entry["sha256"]:
        raise RunUnreadable(f"{file}: {entry['name']} was damaged on the way (its checksum differs)")


def _note_origin(folder: Path, file: Path, manifest: dict[str, Any]) -> None:
    """Check that the run reads, and write into run.json that it came by bundle."""
    from dataclasses import replace

    from .reader import write_info

    info = read_info(folder)
    came = {"file": file.name, "packed_utc": manifest.get("packed_utc"), "bytes": folder_bytes(folder)}
    write_info(folder, replace(info, origin={**info.origin, "bundle": came}))
