"""Reads a trace file of whatever kind it is."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path

from . import kineto, xplane
from .kineto import Trace

# So much of a file tells its kind: a plane's name stands behind its first lines' events only in planes without any.
_HEAD_BYTES = 1 << 16


def read(path: str | Path) -> Trace:
    """Read a Kineto trace (.json) or an XPlane trace (.xplane.pb), either also gzipped. Raises TraceError if there is none in it."""
    return xplane.read(path) if is_xplane(Path(path)) else kineto.read(path)


def is_xplane(path: Path) -> bool:
    """Whether a file is an XPlane trace, by its name or by how it begins."""
    if path.name.endswith((".pb", ".pb.gz")):
        return True
    try:
        with path.open("rb") as file:
            compressed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path) if compressed else path.open("rb") as content:
            return xplane.looks_like_one(content.read(_HEAD_BYTES))
    except (OSError, EOFError, zlib.error, ValueError):  # the reader says what is wrong with it
        return False
