"""A wall that needs no privileges: the kernel refuses this process, and all that it starts, to write elsewhere.

Landlock (Linux 5.13; https://docs.kernel.org/userspace-api/landlock.html). It refuses to make, open for writing, rename and
remove; modes, owners and times of files it does not know, nor, before Linux 6.2, truncate(2).
"""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable

from . import kernel

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1  # flag of _CREATE_RULESET
_PATH_BENEATH = 1  # kind of rule

_WRITE_FILE = 1 << 1
# REMOVE_DIR, REMOVE_FILE, MAKE_CHAR, MAKE_DIR, MAKE_REG, MAKE_SOCK, MAKE_FIFO, MAKE_BLOCK, MAKE_SYM
_CHANGE_FOLDER = 0b1_1111_1111 << 4
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # from version 2, and from version 3


def version() -> int:
    """Of the interface that this kernel has. Raises OSError where it has none."""
    return kernel.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_VERSION))


def enclose(passing: Iterable[str]) -> None:
    """Refuse this process for good to write anywhere but below *passing*. Raises OSError where that cannot be done."""
    found = version()
    refused = _WRITE_FILE | _CHANGE_FOLDER | (_REFER if found >= 2 else 0) | (_TRUNCATE if found >= 3 else 0)
    attributes = struct.pack("Q", refused)
    rules = kernel.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), ctypes.c_uint32(0))
    for folder in passing:
        _allow(rules, folder, refused)
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    kernel.syscall(_RESTRICT_SELF, ctypes.c_int(rules), ctypes.c_uint32(0))
    os.close(rules)


def _allow(rules: int, folder: str, rights: int) -> None:
    try:
        fd = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:  # a machine without /dev/shm
        return
    try:
        rule = struct.pack("=Qi", rights, fd)
        kernel.syscall(_ADD_RULE, ctypes.c_int(rules), ctypes.c_int(_PATH_BENEATH), rule, ctypes.c_uint32(0))
    finally:
        os.close(fd)
