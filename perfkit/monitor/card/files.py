"""The hash of a model's file or folder."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from ...errors import MonitorError
from .facts import sha256


def facts(path: Path) -> dict[str, Any]:
    """Name (without its folder), bytes and SHA-256; of a folder over the names and hashes of its files. Raises MonitorError."""
    try:
        if not path.is_dir():
            return {"name": path.name, "bytes": path.stat().st_size, "sha256": _hash(path)}
        files = sorted(p for p in path.rglob("*") if p.is_file())
        total = sha256(*(f"{p.relative_to(path).as_posix()}\0{_hash(p)}\n".encode() for p in files))
        return {"name": path.name, "bytes": sum(p.stat().st_size for p in files), "sha256": total, "files": len(files)}
    except OSError as error:
        raise MonitorError(
            f"{path}: the model's file cannot be read: {error.strerror}; give a file that exists"
        ) from error


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
