"""Opens a trace file, plain or gzip, as a stream of blocks, and turns what can go wrong into one line."""

from __future__ import annotations

import gzip
import stat
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from ..errors import TraceError

if TYPE_CHECKING:
    from collections.abc import Iterator

# Measured: larger blocks cost memory and gain nothing, the decoder is the slow part.
BLOCK_BYTES = 1 << 20
_GZIP_MAGIC = b"\x1f\x8b"
_OTHERS = {
    b"PK\x03\x04": "a zip archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first",
    b"BZh": "compressed with bzip2; decompress it first",
    b"\xfd7zXZ": "compressed with xz; decompress it first",
    b"SQLite format 3": "an SQLite database (an Nsight Systems export?), not a trace of torch.profiler or tf.profiler",
}


class Source:
    """Blocks of a trace file, decompressed on the way. ``damage`` says why the stream ended early, if it did."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.damage: str | None = None
        self._file, self.head = _open(self.path)
        self.compressed = self.head.startswith(_GZIP_MAGIC)

    def blocks(self) -> Iterator[bytes]:
        """The content in blocks of at most BLOCK_BYTES. A damaged archive ends the stream and sets ``damage``."""
        stream = cast("BinaryIO", gzip.GzipFile(fileobj=self._file)) if self.compressed else self._file
        with self._file, stream:
            while True:
                try:
                    block = stream.read(BLOCK_BYTES)
                except EOFError:
                    self.damage = "the compressed file ends in the middle"
                    return
                except (OSError, zlib.error) as error:
                    self.damage = f"the file cannot be read further ({error})"
                    return
                if not block:
                    return
                yield block


def _open(path: Path) -> tuple[BinaryIO, bytes]:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise TraceError(f"{path}: {kind}; give a .json or .xplane.pb trace (also .gz)")
        file = path.open("rb", buffering=0)
    except FileNotFoundError:
        raise TraceError(f"{path}: no such file") from None
    except (OSError, ValueError) as error:
        raise TraceError(f"{path}: cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    head = file.read(16)
    file.seek(0)
    if not head:
        file.close()
        raise TraceError(f"{path}: the file is empty")
    for magic, what in _OTHERS.items():
        if head.startswith(magic):
            file.close()
            raise TraceError(f"{path}: {what}")
    return cast("BinaryIO", file), head
