"""How fast a file is read from the disk, and not from the system's cache of it.

A file without a name is written and read in a folder of the person's. The cache is asked to let go of its pages, and whether it did is looked
at: where it cannot, what was read would be memory. A disk behind a virtual machine may have a cache of its own, which nothing here sees.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

from .timing import Unavailable, figure

MOST_BYTES, LEAST_BYTES = 128 << 20, 16 << 20
BLOCK_BYTES = 4 << 20
#: Writing stops after this, however little was written: slow disks are read as well.
WRITE_S = 1.5
READS = 3
#: Of the file, what may still be in memory.
MOST_RESIDENT = 0.05
#: Of the room on the disk, what the file may take.
ROOM_SHARE = 0.1


def figures(folder: str) -> dict[str, Callable[[float], dict[str, Any]]]:
    """Name → what measures it; the time is the disk's affair."""
    return {"read_bytes_per_s": lambda _budget_s: read(folder)}


def read(folder: str) -> dict[str, Any]:
    """Bytes per second of the fastest of several readings from one end to the other."""
    if not hasattr(os, "posix_fadvise"):
        raise Unavailable("this system cannot be asked to drop a file from memory (no posix_fadvise)")
    most = min(MOST_BYTES, int(ROOM_SHARE * shutil.disk_usage(folder).free))
    if most < LEAST_BYTES:
        raise Unavailable(f"{folder} has too little room for a file to read")
    with tempfile.TemporaryFile(dir=folder) as file:
        size = _written(file.fileno(), most)
        return figure([_once(file.fileno(), size) for _ in range(READS)], size)


def _written(descriptor: int, most: int) -> int:
    """Fill the file with what no disk can pack; how many bytes it has."""
    block, size, ends = os.urandom(BLOCK_BYTES), 0, time.perf_counter() + WRITE_S
    while size + BLOCK_BYTES <= most and (size < LEAST_BYTES or time.perf_counter() < ends):
        size += os.write(descriptor, block)
    os.fsync(descriptor)
    return size


def _once(descriptor: int, size: int) -> float:
    """Seconds of reading it all."""
    os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if resident_share(descriptor, size) > MOST_RESIDENT:
        raise Unavailable(
            "the file stays in memory (a file system in memory, or one that keeps its pages): no disk would be read"
        )
    start, place = time.perf_counter(), 0
    while got := len(os.pread(descriptor, BLOCK_BYTES, place)):
        place += got
    return time.perf_counter() - start


def resident_share(descriptor: int, size: int) -> float:
    """Of a file's pages, how many are in memory; 0 where the system does not say."""
    mincore = getattr(ctypes.CDLL(None, use_errno=True), "mincore", None) if sys.platform == "linux" else None
    if mincore is None:
        return 0.0
    with mmap.mmap(descriptor, size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as mapped:
        first = ctypes.c_char.from_buffer(mapped)
        pages = (ctypes.c_ubyte * -(-size // mmap.PAGESIZE))()
        failed = mincore(ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(size), pages)
        del first  # the map cannot be closed before
    return 0.0 if failed else sum(page & 1 for page in pages) / len(pages)
